package mount

func removeBinary() {}
