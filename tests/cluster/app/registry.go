package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Registry answers image pulls as a real one does: myapp with any tag exists, made when it is asked for; a tag that
// contains "badimage", and every other repository, does not exist.
type Registry struct {
	layer Blob
	lock  sync.Mutex
	blobs map[string]Blob
}

func serveRegistry(tell io.Writer) error {
	layer, err := ownLayer()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(tell, listener.Addr())
	registry := &Registry{layer: layer, blobs: map[string]Blob{layer.Digest: layer}}
	return http.Serve(listener, registry)
}

func (r *Registry) ServeHTTP(out http.ResponseWriter, asked *http.Request) {
	fmt.Fprintln(os.Stderr, asked.Method, asked.URL)
	if asked.URL.Path == "/v2/" {
		return
	}
	path, isOurs := strings.CutPrefix(asked.URL.Path, "/v2/library/myapp/")
	kind, reference, _ := strings.Cut(path, "/")
	if isOurs && kind == "manifests" && !strings.HasPrefix(reference, "sha256:") && !strings.Contains(reference, "badimage") {
		image, err := imageOf(r.layer, "myapp:"+reference)
		if err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
			return
		}
		r.lock.Lock()
		r.blobs[image.config.Digest], r.blobs[image.manifest.Digest] = image.config, image.manifest
		r.lock.Unlock()
		reference = image.manifest.Digest
	}
	r.lock.Lock()
	found, exists := r.blobs[reference]
	r.lock.Unlock()
	if !isOurs || !exists {
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(out, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		return
	}
	out.Header().Set("Content-Type", found.MediaType)
	out.Header().Set("Docker-Content-Digest", found.Digest)
	out.Header().Set("Content-Length", fmt.Sprint(found.Size))
	if asked.Method != http.MethodHead {
		out.Write(found.bytes)
	}
}
