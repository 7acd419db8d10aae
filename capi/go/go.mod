module example.org/tcsync

go 1.19
