// SPDX-License-Identifier: Apache-2.0

// Command volume makes and removes the folder of a dynamic volume on the node.
// The provisioner runs it in a pod that mounts the parent folder, under the name
// setup or teardown, with the flags -p PATH, -s BYTES, -m MODE and -a ACTION.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "volume:", err)
		os.Exit(1)
	}
}

func run(action string, args []string) error {
	flags := flag.NewFlagSet(action, flag.ContinueOnError)
	path := flags.String("p", os.Getenv("VOL_DIR"), "folder of the volume")
	flags.String("s", "", "size in bytes; a folder has none")
	flags.String("m", "", "volume mode")
	flags.String("a", "", "action; the program's name says it already")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !filepath.IsAbs(*path) || filepath.Clean(*path) == "/" {
		return fmt.Errorf("-p must be the absolute path of a volume's folder, not %q", *path)
	}
	switch action {
	case "setup":
		if err := os.MkdirAll(*path, 0o777); err != nil {
			return err
		}
		// The pod's user is not known yet, and the umask took bits away.
		return os.Chmod(*path, 0o777)
	case "teardown":
		return os.RemoveAll(*path)
	}
	return fmt.Errorf("called as %q; it is setup or teardown", action)
}
