module example.org/tcsync-embed

go 1.19

require example.org/tcsync v0.0.0

replace example.org/tcsync => ../../capi/go
