package tcsync

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const (
	clientID    = "c11e4700-0000-4000-8000-000000000001"
	nilVersion  = "00000000-0000-0000-0000-000000000000"
	segmentType = "application/vnd.taskchampion.history-segment"
)

func open(t *testing.T, config Config) *Engine {
	t.Helper()
	if config.Options == nil {
		config.Options = map[string]string{"data-dir": t.TempDir() + "/data"}
	}
	engine, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

func serve(t *testing.T, engine *Engine) string {
	t.Helper()
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return server.URL
}

func do(t *testing.T, method, url, client string, body []byte, headers ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Client-Id", client)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", segmentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	received, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, received
}

// If this fails, a Go program does not speak the protocol: versions are lost, or changed, whole ones and those in pieces.
func TestVersionsComeBackAsTheyWere(t *testing.T) {
	url := serve(t, open(t, Config{}))
	parent := nilVersion
	var segments [][]byte
	for _, size := range []int{1, 1000, pieceBytes, pieceBytes + 1, 5 << 20} {
		segment := make([]byte, size)
		for i := range segment {
			segment[i] = byte(i * 7 >> 3)
		}
		answer, body := do(t, "POST", url+"/v1/client/add-version/"+parent, clientID, segment)
		if answer.StatusCode != 200 || len(body) != 0 {
			t.Fatalf("%d bytes: %d %s", size, answer.StatusCode, body)
		}
		parent = answer.Header.Get("X-Version-Id")
		segments = append(segments, segment)
	}
	parent = nilVersion
	for _, segment := range segments {
		answer, body := do(t, "GET", url+"/v1/client/get-child-version/"+parent, clientID, nil)
		if answer.StatusCode != 200 || !bytes.Equal(body, segment) {
			t.Fatalf("%d bytes came as %d, with status %d", len(segment), len(body), answer.StatusCode)
		}
		parent = answer.Header.Get("X-Version-Id")
	}
	answer, _ := do(t, "GET", url+"/v1/client/get-child-version/"+parent, clientID, nil)
	if answer.StatusCode != 404 {
		t.Fatalf("the end of the history has status %d", answer.StatusCode)
	}
}

// If this fails, people and programs see no server behind the address.
func TestTheIndexHasItsTwoForms(t *testing.T) {
	url := serve(t, open(t, Config{}))
	answer, body := do(t, "GET", url+"/", clientID, nil)
	if want := "tcsync-server " + Version() + ": a TaskChampion sync server is running here.\n"; string(body) != want {
		t.Errorf("%q, not %q", body, want)
	}
	answer, body = do(t, "GET", url+"/", clientID, nil, "Accept", "text/html")
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || !bytes.Contains(body, []byte("</html>")) {
		t.Errorf("%v %s", answer.Header, body)
	}
	answer, body = do(t, "HEAD", url+"/", clientID, nil)
	if answer.StatusCode != 200 || answer.ContentLength <= 0 || len(body) != 0 {
		t.Errorf("HEAD: %d, %d bytes announced, %d sent", answer.StatusCode, answer.ContentLength, len(body))
	}
}

// If this fails, a connection that breaks in the middle of an upload leaves half a version, which spoils the history.
func TestATruncatedBodyIsNotStored(t *testing.T) {
	url := serve(t, open(t, Config{}))
	connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "POST /v1/client/add-version/%s HTTP/1.1\r\nHost: a\r\nX-Client-Id: %s\r\nContent-Type: %s\r\n"+
		"Content-Length: 1000\r\n\r\nhalf", nilVersion, clientID, segmentType)
	connection.(*net.TCPConn).CloseWrite()
	if answer, _ := io.ReadAll(connection); bytes.Contains(answer, []byte("200 OK")) {
		t.Errorf("it was acknowledged: %s", answer)
	}
	connection.Close()
	answer, _ := do(t, "GET", url+"/v1/client/get-child-version/"+nilVersion, clientID, nil)
	if answer.StatusCode != 404 {
		t.Errorf("status %d", answer.StatusCode)
	}
}

// If this fails, an answer that comes before the end of the body is lost, or the connection hangs.
func TestARefusalComesBeforeTheBody(t *testing.T) {
	directory := t.TempDir() + "/data"
	engine := open(t, Config{Options: map[string]string{"data-dir": directory, "body-bytes-max": "1000"}})
	answer, body := do(t, "POST", serve(t, engine)+"/v1/client/add-version/"+nilVersion, clientID, make([]byte, 1<<20))
	if answer.StatusCode != 413 || !bytes.Contains(body, []byte("larger than 1000 bytes")) {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// If this fails, a program cannot tell the failures apart, or a person does not learn which option is wrong.
func TestErrorsHaveACodeAndAMessage(t *testing.T) {
	directory := t.TempDir() + "/data"
	for _, each := range []struct {
		name, value, message string
		code                 Code
	}{
		{"no-such-option", "1", "no-such-option", UnknownOption},
		{"memory-budget", "1", "memory-budget", InvalidOptionValue},
		{"base-path", "/a?b", "/a?b", InvalidArgument},
		{"terms-url", "javascript:alert(1)", "terms-url", InvalidArgument},
		{"data-dir", "a\x00b", "zero byte", InvalidArgument},
		{"data-dir\x00", "a", "zero byte", InvalidArgument},
	} {
		engine, err := Open(Config{Options: map[string]string{"data-dir": directory, each.name: each.value}})
		if engine != nil || !errors.Is(err, each.code) || !errors.Is(err, InvalidArgument) {
			t.Errorf("%s: %v", each.name, err)
		} else if !strings.Contains(err.Error(), each.message) {
			t.Errorf("%s: %q does not have %q", each.name, err, each.message)
		}
	}
	if _, err := os.Stat(directory); err == nil {
		t.Error("a refused option created the directory")
	}
	open(t, Config{Options: map[string]string{"data-dir": directory}})
	if _, err := Open(Config{Options: map[string]string{"data-dir": directory}}); !errors.Is(err, InUse) || errors.Is(err, System) {
		t.Errorf("the second engine: %v", err)
	}
	if name := InUse.Error(); name != "TCSYNC_IN_USE" {
		t.Error(name)
	}
}

// If this fails, an option of the environment is ignored, or overrules the program's own.
func TestOptionsOverruleTheEnvironment(t *testing.T) {
	t.Setenv("TCSYNC_RETENTION_DAYS", "7")
	t.Setenv("TCSYNC_IDLE_CLIENT_DAYS", "8")
	options := map[string]string{"data-dir": t.TempDir() + "/data", "retention-days": "9"}
	for environment, want := range map[bool]string{true: "9 8", false: "9 0"} {
		engine := open(t, Config{Options: options, Environment: environment})
		retention, _ := engine.Option("retention-days")
		idle, err := engine.Option("idle-client-days")
		if got := retention + " " + idle; got != want || err != nil {
			t.Errorf("environment %v: %q, not %q (%v)", environment, got, want, err)
		}
		engine.Close()
	}
	t.Setenv("TCSYNC_RETENTION_DAYS", "many")
	if _, err := Open(Config{Options: options, Environment: true}); !errors.Is(err, InvalidOptionValue) {
		t.Error(err)
	}
}

// If this fails, an operator's log is silent, or mixes up the engines of one program.
func TestEachEngineHasItsLog(t *testing.T) {
	var mutex sync.Mutex
	records := [2][]Record{}
	var urls [2]string
	var engines [2]*Engine
	for i := range engines {
		i := i
		engines[i] = open(t, Config{
			Options: map[string]string{"storage": "memory", "log-level": "info"},
			Log: func(record Record) {
				mutex.Lock()
				defer mutex.Unlock()
				records[i] = append(records[i], record)
			},
		})
		urls[i] = serve(t, engines[i])
	}
	do(t, "GET", urls[1]+"/no-such-path", clientID, nil)
	for _, engine := range engines {
		engine.Close() // The records written before have come when it returns.
	}
	mutex.Lock()
	defer mutex.Unlock()
	for i, want := range []int{0, 1} {
		count := 0
		for _, record := range records[i] {
			for _, field := range record.Fields {
				if field == (Field{"reason", "no-such-path"}) {
					count++
					if record.Level != Info || !strings.Contains(record.Text, "status=404") || !strings.Contains(record.Message, "/no-such-path") {
						t.Errorf("%+v", record)
					}
				}
			}
		}
		if count != want {
			t.Errorf("engine %d has %d of its records: %+v", i, count, records[i])
		}
	}
}

// If this fails, a request after the end crashes the program.
func TestAClosedEngineRefuses(t *testing.T) {
	engine := open(t, Config{})
	url := serve(t, engine)
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
	engine.Close()
	if answer, _ := do(t, "GET", url+"/", clientID, nil); answer.StatusCode != 503 {
		t.Errorf("status %d", answer.StatusCode)
	}
	if _, err := engine.Option("data-dir"); !errors.Is(err, Unavailable) {
		t.Error(err)
	}
	if _, err := engine.Monitor("/health"); !errors.Is(err, Unavailable) {
		t.Error(err)
	}
}

// If this fails, requests that run while the engine is closed read freed memory.
func TestCloseWaitsForRequests(t *testing.T) {
	engine := open(t, Config{})
	url := serve(t, engine)
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		client := fmt.Sprintf("c11e4700-0000-4000-8000-0000000001%02d", i)
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 20; j++ {
				answer, _ := do(t, "POST", url+"/v1/client/add-version/"+nilVersion, client, make([]byte, 100_000))
				if answer.StatusCode != 200 && answer.StatusCode != 409 && answer.StatusCode != 503 {
					t.Errorf("status %d", answer.StatusCode)
				}
			}
		}()
	}
	engine.Close()
	group.Wait()
}

// If this fails, the program's operator can neither watch nor administer it.
func TestMonitorsAndAdministers(t *testing.T) {
	engine := open(t, Config{})
	for target, part := range map[string]string{
		"/health": `"status":"ok"`, "/metrics": "tcsync_build_info", "/health/live": `"status":"ok"`,
	} {
		answer, err := engine.Monitor(target)
		if err != nil || answer.Status != 200 || !strings.Contains(string(answer.Body), part) {
			t.Errorf("%s: %+v %v", target, answer, err)
		}
	}
	answer, err := engine.Administer("POST", "/v1/admin/invites", []byte(`{"label":"friends","uses_max":3}`))
	if err != nil || answer.Status/100 != 2 || !bytes.Contains(answer.Body, []byte(`"token"`)) {
		t.Errorf("%+v %v", answer, err)
	}
	if answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", answer.Header)
	}
	if answer, err = engine.Administer("GET", "/v1/admin/nothing", nil); err != nil || answer.Status != 404 {
		t.Errorf("%+v %v", answer, err)
	}
}

// If this fails, limits count all requests of a family of addresses as one, or refuse them.
func TestThePeersAddressHasNoPortAndNoZone(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "[2001:db8::7]:1234": "2001:db8::7", "[fe80::1%eth0]:1": "fe80::1", "@": "", "": "",
		"/run/tcsync.sock": "",
	} {
		if got := peerOf(remote); got != want {
			t.Errorf("%q: %q, not %q", remote, got, want)
		}
	}
}

// If this fails, the package was made for another header than that of the library.
func TestTheLibraryIsThatOfTheHeader(t *testing.T) {
	header, err := os.ReadFile("../include/tcsync.h")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, part := range []string{"MAJOR", "MINOR", "PATCH"} {
		numbers = append(numbers, string(regexp.MustCompile(`#define TCSYNC_VERSION_` + part + ` (\d+)`).FindSubmatch(header)[1]))
	}
	if want := strings.Join(numbers, "."); Version() != want {
		t.Errorf("%s, and the header is %s", Version(), want)
	}
	if !Has("server") || Has("no-such-feature") {
		t.Error("the features are wrong")
	}
}
