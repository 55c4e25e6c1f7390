// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/berth-dev/berth/internal/agent"
	"github.com/berth-dev/berth/internal/script"
	"github.com/berth-dev/berth/internal/version"
)

func run(flags *flag.FlagSet, arguments []string, _ io.Writer) (int, error) {
	state := stateFlags(flags)
	o := agent.Options{Stderr: flags.Output()}
	flags.StringVar(&o.Home, "home", "", "home directory; becomes HOME when that is unset or /")
	flags.StringVar(&o.Directory, "directory", "", "where the command starts, made if absent (default the home directory)")
	hold := flags.Bool("hold", false, "wait until the API server at $BERTH_URL, known by $BERTH_CA, says whose this pod is")
	token := flags.String("token", agent.DefaultToken, "`file` of the pod's token for --hold")
	scripts := flags.String("scripts", "[]", "the template's scripts, as JSON")
	flags.StringVar(&o.ScriptsFrom, "scripts-from", agent.DefaultScripts, "`directory` that holds the scripts")
	flags.DurationVar(&o.Grace, "grace", agent.DefaultGrace, "time that processes have to end after SIGTERM")
	if err := flags.Parse(arguments); err != nil {
		return 2, errors.Join(errFlags, err)
	}
	if o.Grace < 0 {
		return 2, fmt.Errorf("--grace %v: must not be negative", o.Grace)
	}
	o.Command = flags.Args()
	var err error
	if o.State, err = state(); err != nil {
		return 2, err
	}
	if o.Scripts, err = script.Parse(*scripts); err != nil {
		return 2, err
	}
	if *hold {
		o.Hold = &agent.Hold{
			Name: flags.Lookup("name").Value.String(), URL: os.Getenv(agent.URLVariable), CA: os.Getenv(agent.CAVariable), Token: *token,
		}
	}
	return agent.Run(o)
}

func checkReady(flags *flag.FlagSet, arguments []string, _ io.Writer) (int, error) {
	state := stateFlags(flags)
	if err := parse(flags, arguments); err != nil {
		return 2, err
	}
	path, err := state()
	if err != nil {
		return 2, err
	}
	return 0, agent.Ready(path)
}

// stateFlags adds the flags that say which agent is meant; the returned function, called after parsing, gives the
// path of its state file.
func stateFlags(flags *flag.FlagSet) func() (string, error) {
	name := flags.String("name", cmp.Or(os.Getenv("BERTH_AGENT"), agent.DefaultName), "the agent's name, by default from $BERTH_AGENT")
	path := flags.String("state", "", "state file (default /.berth/run/NAME)")
	return func() (string, error) {
		if *path != "" {
			return *path, nil
		}
		return agent.StateFile(*name)
	}
}

func printVersion(flags *flag.FlagSet, arguments []string, stdout io.Writer) (int, error) {
	if err := parse(flags, arguments); err != nil {
		return 2, err
	}
	_, err := fmt.Fprintln(stdout, version.Version)
	return 0, err
}
