package disk

import "fmt"

// Personality says what a file system promises about a power cut.
type Personality struct {
	Name string
}

// FailureMode says what a file system does after a sync that failed.
type FailureMode struct {
	Name string
}

// PersonalityByName finds one of "posix", "ext4", "ext4-dioread-lock", "xfs",
// "btrfs" and "prefix".
func PersonalityByName(name string) (*Personality, error) {
	switch name {
	case "posix", "ext4", "ext4-dioread-lock", "xfs", "btrfs", "prefix":
		return &Personality{Name: name}, nil
	}
	return nil, fmt.Errorf("unknown disk personality %q: want posix, ext4, ext4-dioread-lock, xfs, btrfs or prefix", name)
}
