// A sync server inside a Go program: net/http takes the requests, and the package of capi/go answers them.
// Build: CGO_CFLAGS="$(pkg-config --cflags tcsync)" CGO_LDFLAGS="$(pkg-config --libs tcsync)" go build
// Run: tcsync-embed DATA_DIR PORT; port 0 is any free one. Other options come from the environment (docs/options.md).
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.org/tcsync"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s DATA_DIR PORT", os.Args[0])
	}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	engine, err := tcsync.Open(tcsync.Config{
		Environment: true,
		Options:     map[string]string{"data-dir": os.Args[1]},
		Log:         func(record tcsync.Record) { log.Print(record.Text) },
	})
	if err != nil {
		log.Fatal(err)
	}
	web := http.Server{Handler: engine, MaxHeaderBytes: 8192, ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: 10 * time.Minute, WriteTimeout: 20 * time.Minute} // The longest body takes minutes.
	go web.Serve(listener)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	<-stop.Done()
	time.AfterFunc(10*time.Second, func() { web.Close() })
	web.Shutdown(context.Background())
	engine.Close()
}
