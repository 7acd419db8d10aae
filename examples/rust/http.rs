// A part of HTTP/1.1 for the example, because Rust's standard library has none: one request a connection, without a
// chunked body, and answers without a Date. A program with many clients takes a crate for this.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const HEAD_BYTES_MAX: u64 = 8192;
const HEAD_TIME: Duration = Duration::from_secs(10);
const TRANSFER_TIME: Duration = Duration::from_secs(600); // The longest body takes minutes over a slow line.

pub struct Head {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: Vec<u8>) -> Option<Head> {
        let text = String::from_utf8(bytes).ok()?;
        let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
        let (method, target) = lines.next()?.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
        let mut head = Head { method: method.to_string(), target: target.to_string(), fields: Vec::new() };
        for line in lines {
            let (name, value) = line.split_once(':')?;
            if !name.bytes().all(|byte| byte.is_ascii_graphic()) || value.contains(['\r', '\n', '\0']) {
                return None;
            }
            head.fields.push((name.to_string(), value.trim().to_string()));
        }
        Some(head)
    }

    fn values(&self, name: &str) -> Vec<&str> {
        let of_name = self.fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        of_name.map(|field| field.1.as_str()).collect()
    }

    // Refuses requests that another server could read differently: a second length hides a request in a body.
    fn length(&self) -> Option<u64> {
        match (&self.values("Content-Length")[..], &self.values("Transfer-Encoding")[..]) {
            ([], []) => Some(0),
            ([size], []) if size.bytes().all(|byte| byte.is_ascii_digit()) => size.parse().ok(),
            _ => None,
        }
    }
}

// Its reads and writes end at the deadline, also for slow bytes. A time of 0 is refused with an error.
struct Timed(TcpStream, Instant);

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.set_read_timeout(Some(self.1.saturating_duration_since(Instant::now())))?;
        self.0.read(buffer)
    }
}

pub struct Connection {
    reader: BufReader<Timed>,
    unread: u64, // bytes of the body
    awaits_continue: bool,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Connection { reader: BufReader::new(Timed(stream, Instant::now())), unread: 0, awaits_continue: false }
    }

    fn limit(&mut self, time: Duration) {
        self.reader.get_mut().1 = Instant::now() + time;
    }

    // The request, or None when it was refused.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        self.limit(HEAD_TIME);
        let (mut bytes, mut reader) = (Vec::new(), self.reader.by_ref().take(HEAD_BYTES_MAX));
        while reader.read_until(b'\n', &mut bytes)? > 2 {} // The last line is empty.
        self.limit(TRANSFER_TIME);
        let head = Head::parse(bytes).filter(|head| head.length().is_some());
        if let Some(head) = &head {
            self.unread = head.length().unwrap_or(0);
            self.awaits_continue = head.values("Expect") == ["100-continue"];
        } else {
            self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        }
        Ok(head)
    }

    // Reads some of the body: 0 bytes are its end, and a truncated body is an error.
    pub fn body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.awaits_continue) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let size = self.reader.by_ref().take(self.unread).read(buffer)?;
        if size == 0 && self.unread > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread -= size as u64;
        Ok(size)
    }

    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Timed(stream, deadline) = self.reader.get_mut();
            stream.set_write_timeout(Some(deadline.saturating_duration_since(Instant::now())))?;
            bytes = &bytes[stream.write(bytes)?..];
        }
        Ok(())
    }

    // Drops the client's further bytes: a connection that is closed before them loses the answer.
    pub fn linger(&mut self) -> io::Result<()> {
        self.reader.get_ref().0.shutdown(Shutdown::Write)?;
        self.limit(Duration::from_secs(5));
        io::copy(&mut self.reader, &mut io::sink()).map(|_| ())
    }
}
