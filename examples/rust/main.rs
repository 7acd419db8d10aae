// A sync server inside a Rust program, which needs no crates: http.rs takes the requests, on a thread for each
// connection, and tcsync answers them. docs/c-abi.md has the rest, and the commands that build this.
// Run: tcsync-embed DATA_DIR PORT; port 0 is any free one. Other options come from the environment (docs/options.md).

mod http;
#[allow(dead_code, non_camel_case_types, non_upper_case_globals)]
mod c {
    include!(env!("TCSYNC_DECLARATIONS"));
}

use http::{Connection, Head};
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::raw::{c_char, c_int, c_void};
use std::sync::{Arc, RwLock};
use std::{error::Error, mem, process, ptr::null_mut, slice, thread, time::Duration};

// A handle with the function that frees it.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));
impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

// Requests have its lock for reading; its end has it for writing, for good.
struct Engine(*mut c::tcsync_engine);
unsafe impl Send for Engine {}
unsafe impl Sync for Engine {}

// Calls a function of the library whose last parameter is the error.
fn call(function: impl FnOnce(*mut *mut c::tcsync_error) -> c::tcsync_code) -> Result<(), Box<dyn Error>> {
    let mut error = Owned(null_mut(), c::tcsync_error_free);
    if function(&mut error.0) == c::TCSYNC_OK {
        return Ok(());
    }
    Err(unsafe { CStr::from_ptr(c::tcsync_error_message(error.0)) }.to_string_lossy().into())
}

unsafe extern "C" fn log_record(_: *mut c_void, record: *const c::tcsync_log_record) {
    let _ = writeln!(io::stderr(), "{}", CStr::from_ptr(c::tcsync_log_record_text(record)).to_string_lossy());
}

unsafe fn bytes<'a>(data: *const c_char, size: usize) -> &'a [u8] {
    slice::from_raw_parts(data.cast(), size)
}

fn answer(engine: &Engine, connection: &mut Connection, head: &Head, peer: &str) -> Result<(), Box<dyn Error>> {
    let mut pending = Owned(null_mut(), c::tcsync_pending_free);
    let mut response = Owned(null_mut(), c::tcsync_response_free);
    let text = |text: &str| (text.as_ptr() as *const c_char, text.len());
    let mut field: c::tcsync_header = unsafe { mem::zeroed() };
    let mut fields = vec![field; head.fields.len()];
    for (field, (name, value)) in fields.iter_mut().zip(&head.fields) {
        (field.name, field.name_size) = text(name);
        (field.value, field.value_size) = text(value);
    }
    let struct_size = mem::size_of::<c::tcsync_request>();
    let mut request = c::tcsync_request { struct_size, ..unsafe { mem::zeroed() } };
    (request.method, request.method_size) = text(&head.method);
    (request.target, request.target_size) = text(&head.target);
    (request.peer_address, request.peer_address_size) = text(peer);
    (request.headers, request.header_count) = (fields.as_ptr(), fields.len());
    call(|error| unsafe { c::tcsync_engine_begin(engine.0, &request, &mut pending.0, &mut response.0, error) })?;

    let mut buffer = vec![0; 64 << 10];
    while response.0.is_null() {
        // A truncated body is an error here: it must not be finished, because it would be stored.
        let size = connection.body(&mut buffer)?;
        call(|error| unsafe {
            match size {
                0 => c::tcsync_pending_finish(pending.0, &mut response.0, error),
                _ => c::tcsync_pending_append(pending.0, buffer.as_ptr().cast(), size, &mut response.0, error),
            }
        })?;
    }

    let (status, size) = unsafe { (c::tcsync_response_status(response.0), c::tcsync_response_body_size(response.0)) };
    let mut lines = format!("HTTP/1.1 {status} \r\nContent-Length: {size}\r\nConnection: close\r\n").into_bytes();
    for index in 0..unsafe { c::tcsync_response_header_count(response.0) } {
        call(|error| unsafe { c::tcsync_response_header(response.0, index, &mut field, error) })?;
        let (name, value) = unsafe { (bytes(field.name, field.name_size), bytes(field.value, field.value_size)) };
        lines.extend([name, b": ", value, b"\r\n"].concat());
    }
    lines.extend(b"\r\n");
    connection.send(&lines)?;
    while head.method != "HEAD" {
        let mut piece = Owned(null_mut(), c::tcsync_bytes_free);
        call(|error| unsafe { c::tcsync_response_read(response.0, &mut piece.0, error) })?;
        if piece.0.is_null() {
            break;
        }
        connection.send(unsafe { bytes(c::tcsync_bytes_data(piece.0), c::tcsync_bytes_size(piece.0)) })?;
    }
    Ok(())
}

fn serve(engine: &RwLock<Engine>, stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let (peer, mut connection) = (stream.peer_addr()?.ip().to_string(), Connection::new(stream));
    if let Some(head) = connection.head()? {
        answer(&engine.read().unwrap(), &mut connection, &head, &peer)?;
    }
    Ok(connection.linger()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let argument = |index| std::env::args().nth(index).ok_or("usage: tcsync-embed DATA_DIR PORT");
    let (data_dir, port) = (CString::new(argument(1)?)?, argument(2)?.parse()?);
    let mut signals = unsafe { mem::zeroed() };
    unsafe {
        c::sigemptyset(&mut signals);
        c::sigaddset(&mut signals, c::SIGTERM as c_int);
        c::sigaddset(&mut signals, c::SIGINT as c_int);
        c::pthread_sigmask(c::SIG_BLOCK as c_int, &signals, null_mut()); // in every thread: one waits for them
    }

    let mut config = Owned(null_mut(), c::tcsync_config_free);
    call(|error| unsafe { c::tcsync_config_new(&mut config.0, error) })?;
    call(|error| unsafe { c::tcsync_config_set_from_environment(config.0, error) })?;
    call(|error| unsafe { c::tcsync_config_set(config.0, "data-dir\0".as_ptr().cast(), data_dir.as_ptr(), error) })?;
    call(|error| unsafe { c::tcsync_config_set_log(config.0, Some(log_record), null_mut(), error) })?;
    let (listener, mut engine) = (TcpListener::bind(("127.0.0.1", port))?, Engine(null_mut()));
    call(|error| unsafe { c::tcsync_engine_open(config.0, &mut engine.0, error) })?;
    let engine = Arc::new(RwLock::new(engine));
    println!("listening on http://{}", listener.local_addr()?);

    let accepting = engine.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let engine = accepting.clone();
            match stream {
                Ok(stream) if Arc::strong_count(&engine) < 2000 => {
                    let serve = move || serve(&engine, stream).map_err(|error| eprintln!("{error}"));
                    let _ = thread::Builder::new().spawn(serve);
                }
                _ => thread::sleep(Duration::from_millis(100)), // for connections that end
            }
        }
    });
    unsafe { c::sigwait(&signals, &mut 0) };
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(10));
        unsafe { c::_exit(0) } // Only unacknowledged data is lost.
    });
    let engine = engine.write().unwrap();
    unsafe { c::tcsync_engine_free(engine.0) };
    process::exit(0)
}
