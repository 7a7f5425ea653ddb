// A program to release: it answers, it logs, and it goes wrong in the way it is told to.
//
//	app [NAME=VALUE ...]             serves on :8080, or port=N; see Settings for the names
//	app pause                        holds a pod's network
//	app image ARCHIVE NAME:TAG ...   writes an OCI image archive of itself
//	app registry                     answers image pulls on a free loopback port, which it prints
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 2 && args[0] == "image":
		err = writeArchive(args[1], args[2:])
	case len(args) == 1 && args[0] == "registry":
		err = serveRegistry(os.Stdout)
	case len(args) == 1 && args[0] == "pause":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
		<-asked
	default:
		err = run(args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FATAL", err)
		os.Exit(1)
	}
}
