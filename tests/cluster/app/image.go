package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

const oci = "application/vnd.oci.image."

// Blob is one content-addressed piece of an image.
type Blob struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
	bytes     []byte
}

func blob(kind string, content []byte) Blob {
	return Blob{oci + kind, fmt.Sprintf("sha256:%x", sha256.Sum256(content)), len(content), content}
}

// Image is this very program as a container image that knows its tag as $VERSION; one that is called pause only holds
// a pod's network.
type Image struct{ layer, config, manifest Blob }

// One layer, /app: this program. All images share it.
func ownLayer() (Blob, error) {
	path, err := os.Executable()
	if err != nil {
		return Blob{}, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return Blob{}, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	if err := put(archive, "app", program, 0o755); err != nil {
		return Blob{}, err
	}
	return blob("layer.v1.tar", layer.Bytes()), archive.Close()
}

func imageOf(layer Blob, name string) (Image, error) {
	repository, tag := name, ""
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		repository, tag = name[:colon], name[colon+1:]
	}
	entrypoint := []string{"/app"}
	if strings.HasSuffix(repository, "pause") {
		entrypoint = append(entrypoint, "pause")
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": runtime.GOOS,
		"config": map[string]any{"Env": []string{"VERSION=" + tag}, "Entrypoint": entrypoint},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	})
	if err != nil {
		return Image{}, err
	}
	image := Image{layer: layer, config: blob("config.v1+json", config)}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": image.config, "layers": []Blob{layer},
	})
	image.manifest = blob("manifest.v1+json", manifest)
	return image, err
}

// Writes an OCI image layout in which each name is an image of its own.
func writeArchive(path string, names []string) error {
	layer, err := ownLayer()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	archive := tar.NewWriter(file)
	blobs := map[string][]byte{layer.Digest: layer.bytes}
	type entry struct {
		Blob
		Annotations map[string]string `json:"annotations"`
	}
	var entries []entry
	for _, name := range names {
		image, err := imageOf(layer, name)
		if err != nil {
			return err
		}
		blobs[image.config.Digest], blobs[image.manifest.Digest] = image.config.bytes, image.manifest.bytes
		entries = append(entries, entry{image.manifest, map[string]string{"io.containerd.image.name": name}})
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": entries})
	if err != nil {
		return err
	}
	if err := put(archive, "oci-layout", []byte(`{"imageLayoutVersion": "1.0.0"}`), 0o644); err != nil {
		return err
	}
	if err := put(archive, "index.json", index, 0o644); err != nil {
		return err
	}
	for digest, content := range blobs {
		if err := put(archive, "blobs/sha256/"+strings.TrimPrefix(digest, "sha256:"), content, 0o644); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}

func put(archive *tar.Writer, name string, content []byte, mode int64) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}
