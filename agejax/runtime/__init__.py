"""What touches disks, devices and clocks."""
