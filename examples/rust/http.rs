// As much of HTTP/1.1 as a server needs of it, because Rust's standard library has none. What another server could
// read differently is refused: a length that is told twice, or in two ways, hides a request in a body.

use std::cmp::min;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HEAD_BYTES_MAX: u64 = 8192;
const STALL: Duration = Duration::from_secs(30); // of a body, received or sent
const BYTES_PER_SECOND: u64 = 2048; // which a body must keep up with

pub struct Head {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub keeps_alive: bool,
    pub expects_continue: bool,
}

// A stream whose reads and writes end at a deadline, however slowly bytes come.
struct Timed(Arc<TcpStream>, Instant);

impl Timed {
    fn left(&self) -> Option<Duration> {
        Some(self.1.saturating_duration_since(Instant::now())) // A limit of 0 is refused with an error.
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.set_read_timeout(self.left())?;
        (&*self.0).read(buffer)
    }
}

pub struct Connection {
    reader: BufReader<Timed>,
    unread: u64, // bytes of the body, or of its chunk
    is_chunked: bool,
    received: u64,
    start: Instant,
}

pub fn broken<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(ErrorKind::InvalidData, what))
}

impl Connection {
    pub fn new(stream: Arc<TcpStream>) -> Self {
        let start = Instant::now();
        let reader = BufReader::new(Timed(stream, start));
        Connection { reader, unread: 0, is_chunked: false, received: 0, start }
    }

    fn limit(&mut self, time: Duration) {
        self.reader.get_mut().1 = Instant::now() + time;
    }

    // A line with its end.
    fn line(&mut self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(bytes_max).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return broken("a line without an end, or with too many bytes");
        }
        Ok(line)
    }

    // The next request, or None when the client has closed the connection.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        self.limit(Duration::from_secs(75));
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.limit(Duration::from_secs(10));
        let first = self.line(HEAD_BYTES_MAX)?;
        let mut left = HEAD_BYTES_MAX - first.len() as u64;
        let words: Vec<&[u8]> = first.trim_ascii_end().split(|byte| *byte == b' ').collect();
        let &[method, target, version @ (b"HTTP/1.1" | b"HTTP/1.0")] = &words[..] else {
            return broken("no request line");
        };
        let mut fields = Vec::new();
        loop {
            let line = self.line(left)?;
            left -= line.len() as u64;
            let Some(end) = line.iter().position(|byte| *byte == b':') else {
                if line == b"\r\n" {
                    break;
                }
                return broken("no header field");
            };
            let (name, value) = (&line[..end], line[end + 1..line.len() - 2].trim_ascii());
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) || value.iter().any(|b| b"\r\0".contains(b)) {
                return broken("no header field");
            }
            fields.push((name.to_vec(), value.to_vec()));
        }
        let values = |wanted: &str| -> Vec<String> {
            let of_name = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
            of_name.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase()).collect()
        };
        (self.start, self.received) = (Instant::now(), 0);
        (self.unread, self.is_chunked) = match (&values("Content-Length")[..], &values("Transfer-Encoding")[..]) {
            ([], []) => (0, false),
            ([], [coding]) if coding == "chunked" && version == b"HTTP/1.1" => (0, true),
            ([size], []) if size.bytes().all(|b| b.is_ascii_digit()) && size.len() < 19 && !size.is_empty() => {
                (size.parse().unwrap(), false)
            }
            _ => return broken("an unclear length"),
        };
        Ok(Some(Head {
            keeps_alive: version == b"HTTP/1.1" && !values("Connection").iter().any(|value| value.contains("close")),
            expects_continue: values("Expect").contains(&"100-continue".to_string()) && self.has_body(),
            method: method.to_vec(),
            target: target.to_vec(),
            fields,
        }))
    }

    // Whether there is more of the body.
    pub fn has_body(&self) -> bool {
        self.unread > 0 || self.is_chunked
    }

    // Reads some of the body: 0 bytes are its end, and a body that breaks off is an error.
    pub fn body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rate = Duration::from_secs(self.received / BYTES_PER_SECOND);
        self.limit(min(STALL, (STALL + rate).saturating_sub(self.start.elapsed())));
        if self.unread == 0 && self.is_chunked {
            let line = self.line(256)?;
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if !(1..16).contains(&digits) || !b"\r; \t".contains(&line[digits]) {
                return broken("a chunk without a size");
            }
            self.unread = u64::from_str_radix(std::str::from_utf8(&line[..digits]).unwrap(), 16).unwrap();
            if self.unread == 0 {
                self.is_chunked = false;
                for _ in 0..32 {
                    if self.line(HEAD_BYTES_MAX)? == b"\r\n" {
                        return Ok(0);
                    }
                }
                return broken("too many trailers");
            }
        }
        let wanted = min(self.unread, buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let size = self.reader.read(&mut buffer[..wanted])?;
        if size == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread -= size as u64;
        self.received += size as u64;
        if self.is_chunked && self.unread == 0 && self.line(2)? != b"\r\n" {
            return broken("a chunk without an end");
        }
        Ok(size)
    }

    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.limit(STALL + Duration::from_secs(bytes.len() as u64 / BYTES_PER_SECOND));
        while !bytes.is_empty() {
            let timed = self.reader.get_ref();
            timed.0.set_write_timeout(timed.left())?;
            let size = (&*timed.0).write(bytes)?;
            bytes = &bytes[size..];
        }
        Ok(())
    }

    // Takes what the client still sends: a connection that is closed before that loses the answer.
    pub fn linger(&mut self) -> io::Result<()> {
        self.reader.get_ref().0.shutdown(Shutdown::Write)?;
        self.limit(Duration::from_secs(2));
        io::copy(&mut self.reader, &mut io::sink()).map(|_| ())
    }
}
