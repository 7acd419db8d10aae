module example.org/tcsync-embed

go 1.19
