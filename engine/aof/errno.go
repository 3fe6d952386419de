package aof

import (
	"errors"
	"syscall"
)

// Reason is strerror(3) for the errors a disk gives, so that log lines and
// replies read as redis-server's do on any platform.
func Reason(err error) string {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return err.Error()
	}
	switch no {
	case syscall.EIO:
		return "Input/output error"
	case syscall.ENOSPC:
		return "No space left on device"
	case syscall.EDQUOT:
		return "Disk quota exceeded"
	case syscall.ENOENT:
		return "No such file or directory"
	case syscall.EACCES:
		return "Permission denied"
	case syscall.EROFS:
		return "Read-only file system"
	case syscall.EISDIR:
		return "Is a directory"
	case syscall.ENOTDIR:
		return "Not a directory"
	case syscall.EEXIST:
		return "File exists"
	case syscall.EAGAIN:
		return "Resource temporarily unavailable"
	case syscall.ENOMEM:
		return "Cannot allocate memory"
	case syscall.EINVAL:
		return "Invalid argument"
	}
	return no.Error()
}
