// What a command costs: measure FILE COMMAND...
//
// Runs the command with this one's input and output, passes SIGINT and SIGTERM on to it, and when it has ended writes
// "cpu=SECONDS peak=KIB exit=CODE" to FILE: processor time of user and system, and the most memory it ever held, as
// the kernel counted them.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: measure FILE COMMAND...")
		os.Exit(2)
	}
	command := exec.Command(os.Args[2], os.Args[3:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for signal := range asked {
			_ = command.Process.Signal(signal)
		}
	}()
	_ = command.Wait() // how it ended is in the state below
	state := command.ProcessState
	usage := state.SysUsage().(*syscall.Rusage)
	line := fmt.Sprintf("cpu=%.2f peak=%d exit=%d\n", (state.UserTime() + state.SystemTime()).Seconds(), usage.Maxrss, state.ExitCode())
	if err := os.WriteFile(os.Args[1], []byte(line), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
