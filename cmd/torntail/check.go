package main

type checkCmd struct {
	File string `arg:"" help:"A history."`
}

func (c *checkCmd) Run(a *app) error { return nil }
