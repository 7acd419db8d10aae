// A sync server inside a Rust program, which needs no crates: http.rs takes the requests, on a thread for each
// connection, and tcsync answers them. docs/c-abi.md has the rest, and the commands that build this.
//
// Run: tcsync-embed DATA_DIR PORT; port 0 is any free one. Other options come from the environment (docs/options.md).

mod http;
#[allow(dead_code, non_camel_case_types, non_upper_case_globals)]
mod c {
    include!(env!("TCSYNC_DECLARATIONS"));
}

use http::{Connection, Head};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const CONNECTIONS_MAX: usize = 2048;
const STACK_BYTES: usize = 256 << 10;

#[derive(Default)]
struct State {
    is_stopping: bool,
    open_requests: usize,
    connections: HashMap<String, Arc<TcpStream>>, // by the client's address and port
}

struct Host {
    engine: *mut c::tcsync_engine,
    state: Mutex<State>,
    changed: Condvar,
}

// The engine's calls may come from any thread at any time.
unsafe impl Send for Host {}
unsafe impl Sync for Host {}

// A request that the end of the engine waits for.
struct Open<'a>(&'a Host);
impl<'a> Open<'a> {
    fn new(host: &'a Host) -> Option<Self> {
        let mut state = host.state.lock().unwrap();
        state.open_requests += usize::from(!state.is_stopping);
        (!state.is_stopping).then(|| Open(host))
    }
}
impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().open_requests -= 1;
        self.0.changed.notify_all();
    }
}

// A handle with the function that frees it.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));
impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

// Calls a function of the library whose last parameter is the error.
fn call(function: impl FnOnce(*mut *mut c::tcsync_error) -> c::tcsync_code) -> io::Result<()> {
    let mut error = Owned(null_mut(), c::tcsync_error_free);
    if function(&mut error.0) == c::TCSYNC_OK {
        return Ok(());
    }
    let message = unsafe { CStr::from_ptr(c::tcsync_error_message(error.0)) };
    Err(io::Error::new(ErrorKind::Other, message.to_string_lossy().into_owned()))
}

unsafe extern "C" fn log_message(_: *mut c_void, _: c_int, message: *const c_char, _: usize) {
    let _ = writeln!(io::stderr(), "{}", CStr::from_ptr(message).to_string_lossy());
}

// Answers one request. Whether the connection can have another one.
fn answer(host: &Host, connection: &mut Connection, head: &Head, peer: &str) -> io::Result<bool> {
    let mut pending = Owned(null_mut(), c::tcsync_pending_free);
    let mut response = Owned(null_mut(), c::tcsync_response_free);
    let text = |bytes: &[u8]| (bytes.as_ptr() as *const c_char, bytes.len());
    let field = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let ((name, name_size), (value, value_size)) = (text(name), text(value));
        c::tcsync_header { name, name_size, value, value_size }
    };
    let headers: Vec<_> = head.fields.iter().map(field).collect();
    let mut request: c::tcsync_request = unsafe { std::mem::zeroed() };
    request.struct_size = std::mem::size_of_val(&request);
    (request.method, request.method_size) = text(&head.method);
    (request.target, request.target_size) = text(&head.target);
    (request.peer_address, request.peer_address_size) = text(peer.as_bytes());
    (request.headers, request.header_count) = (headers.as_ptr(), headers.len());
    call(|error| unsafe { c::tcsync_engine_begin(host.engine, &request, &mut pending.0, &mut response.0, error) })?;

    if response.0.is_null() && head.expects_continue {
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut buffer = vec![0; if connection.has_body() { 64 << 10 } else { 0 }];
    while response.0.is_null() {
        // A body that breaks off is an error here: it must not be finished, because it would be stored.
        let size = connection.body(&mut buffer)?;
        let data = buffer.as_ptr() as *const c_char;
        call(|error| unsafe {
            match size {
                0 => c::tcsync_pending_finish(pending.0, &mut response.0, error),
                _ => c::tcsync_pending_append(pending.0, data, size, &mut response.0, error),
            }
        })?;
    }

    let keeps_alive = head.keeps_alive && !connection.has_body() && !host.state.lock().unwrap().is_stopping;
    let mut bytes = format!("HTTP/1.1 {} \r\n", unsafe { c::tcsync_response_status(response.0) }).into_bytes();
    for index in 0..unsafe { c::tcsync_response_header_count(response.0) } {
        let mut field: c::tcsync_header = unsafe { std::mem::zeroed() };
        call(|error| unsafe { c::tcsync_response_header(response.0, index, &mut field, error) })?;
        unsafe {
            bytes.extend_from_slice(std::slice::from_raw_parts(field.name as *const u8, field.name_size));
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(std::slice::from_raw_parts(field.value as *const u8, field.value_size));
            bytes.extend_from_slice(b"\r\n");
        }
    }
    let size = unsafe { c::tcsync_response_body_size(response.0) };
    let state = if keeps_alive { "keep-alive" } else { "close" };
    write!(bytes, "Date: {}\r\nContent-Length: {size}\r\nConnection: {state}\r\n\r\n", date())?;
    loop {
        connection.send(&bytes)?;
        let mut piece = Owned(null_mut(), c::tcsync_bytes_free);
        call(|error| unsafe { c::tcsync_response_read(response.0, &mut piece.0, error) })?;
        if piece.0.is_null() || head.method == b"HEAD" {
            return Ok(keeps_alive);
        }
        bytes.clear();
        let (data, size) = unsafe { (c::tcsync_bytes_data(piece.0), c::tcsync_bytes_size(piece.0)) };
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data as *const u8, size) });
    }
}

fn date() -> String {
    let mut text = [0 as c_char; 64];
    unsafe {
        let (mut parts, now) = (std::mem::zeroed(), c::time(null_mut()));
        c::gmtime_r(&now, &mut parts);
        c::strftime(text.as_mut_ptr(), text.len(), c"%a, %d %b %Y %H:%M:%S GMT".as_ptr(), &parts);
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}

fn serve(host: &Host, stream: Arc<TcpStream>, peer: &str) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    loop {
        let head = match connection.head() {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                connection.send(b"HTTP/1.1 400 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                return connection.linger();
            }
            Ok(Some(head)) => head,
            other => return other.map(|_| ()),
        };
        let Some(open) = Open::new(host) else {
            return Ok(());
        };
        let keeps_alive = answer(host, &mut connection, &head, peer)?;
        drop(open);
        if !keeps_alive {
            return connection.linger();
        }
    }
}

fn accept(host: &Arc<Host>, stream: TcpStream) -> io::Result<()> {
    let (peer, host, stream) = (stream.peer_addr()?, host.clone(), Arc::new(stream));
    let name = peer.to_string();
    let state = host.state.lock().unwrap();
    if state.is_stopping || state.connections.len() >= CONNECTIONS_MAX {
        return Ok(());
    }
    let served = host.clone();
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        served.state.lock().unwrap().connections.insert(name.clone(), stream.clone());
        if let Err(error) = serve(&served, stream, &peer.ip().to_canonical().to_string()) {
            let _ = writeln!(io::stderr(), "{name}: {error}");
        }
        served.state.lock().unwrap().connections.remove(&name);
    })?;
    Ok(())
}

fn run(data_dir: &str, port: &str) -> io::Result<()> {
    // Blocked in every thread, so that one thread can wait for them.
    let mut signals = unsafe { std::mem::zeroed() };
    unsafe {
        c::sigemptyset(&mut signals);
        c::sigaddset(&mut signals, c::SIGTERM as c_int);
        c::sigaddset(&mut signals, c::SIGINT as c_int);
        c::pthread_sigmask(c::SIG_BLOCK as c_int, &signals, null_mut());
    }

    let mut config = Owned(null_mut(), c::tcsync_config_free);
    call(|error| unsafe { c::tcsync_config_new(&mut config.0, error) })?;
    call(|error| unsafe { c::tcsync_config_set_from_environment(config.0, error) })?;
    let data_dir = CString::new(data_dir)?;
    call(|error| unsafe { c::tcsync_config_set(config.0, c"data-dir".as_ptr(), data_dir.as_ptr(), error) })?;
    call(|error| unsafe { c::tcsync_config_set_log(config.0, Some(log_message), null_mut(), error) })?;
    let port = port.parse().map_err(|_| io::Error::new(ErrorKind::InvalidInput, "PORT is no number of a port"))?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let mut engine = Owned(null_mut(), c::tcsync_engine_free);
    call(|error| unsafe { c::tcsync_engine_open(config.0, &mut engine.0, error) })?;
    let host = Arc::new(Host { engine: engine.0, state: Mutex::default(), changed: Condvar::new() });
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let accepting = host.clone();
    std::thread::spawn(move || loop {
        if let Err(error) = listener.accept().and_then(|(stream, _)| accept(&accepting, stream)) {
            let _ = writeln!(io::stderr(), "a connection cannot be taken: {error}");
            std::thread::sleep(Duration::from_millis(100)); // for a descriptor or memory that is given back
        }
    });
    unsafe { c::sigwait(&signals, &mut 0) };

    let mut state = host.state.lock().unwrap();
    state.is_stopping = true;
    let grace = Duration::from_secs(10);
    state = host.changed.wait_timeout_while(state, grace, |state| state.open_requests > 0).unwrap().0;
    for stream in state.connections.values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    drop(host.changed.wait_while(state, |state| state.open_requests > 0).unwrap());
    Ok(())
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match &arguments[..] {
        [_, data_dir, port] => run(data_dir, port),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "usage: tcsync-embed DATA_DIR PORT")),
    };
    if let Err(error) = &result {
        let _ = writeln!(io::stderr(), "tcsync-embed: {error}");
    }
    std::process::ExitCode::from(u8::from(result.is_err()))
}
