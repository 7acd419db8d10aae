// See http_client.h.
#include "http_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0  // macOS has SO_NOSIGPIPE instead
#endif

namespace tcsync::conformance {
namespace {

absl::Time NewDeadline() { return absl::Now() + absl::Seconds(kDeadlineSeconds); }

// Waits for `events` on `socket`; returns the events, or 0 at the deadline.
short Poll(int socket, short events, absl::Time deadline) {
  while (true) {
    const int64_t wait_ms =
        std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - absl::Now()), 0, 1'000'000);
    pollfd entry = {socket, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(wait_ms));
    if (ready > 0) return entry.revents;
    if (ready == 0 || errno != EINTR) return 0;
  }
}

// Connects, and makes the socket non-blocking afterwards. -1 on failure.
int ConnectTo(int family, const sockaddr* address, socklen_t length, int receive_buffer_bytes) {
  const int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (receive_buffer_bytes > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  const int on = 1;
#ifdef SO_NOSIGPIPE
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  // Fails for a Unix socket, which does not need it.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, address, length) != 0) {
    close(fd);
    return -1;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

int ConnectToUnix(absl::string_view path, int receive_buffer_bytes) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  path.copy(address.sun_path, path.size());
  return ConnectTo(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address,
                   receive_buffer_bytes);
}

int ConnectToUrl(absl::string_view url, int receive_buffer_bytes) {
  if (!absl::ConsumePrefix(&url, "http://") && !absl::ConsumePrefix(&url, "https://")) return -1;
  const absl::string_view authority = url.substr(0, url.find('/'));
  const size_t colon = authority.rfind(':');
  if (colon == absl::string_view::npos) return -1;
  absl::string_view host = authority.substr(0, colon);
  const std::string port(authority.substr(colon + 1));
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), port.c_str(), &hints, &found) != 0) return -1;
  int fd = -1;
  for (const addrinfo* each = found; each != nullptr && fd < 0; each = each->ai_next) {
    fd = ConnectTo(each->ai_family, each->ai_addr, each->ai_addrlen, receive_buffer_bytes);
  }
  freeaddrinfo(found);
  return fd;
}

bool HasHeader(const HeaderList& headers, absl::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [name](const auto& header) {
    return absl::EqualsIgnoreCase(header.first, name);
  });
}

// Parses status line and header fields; `head` is without the empty line at its end.
HttpResponse ParseHead(absl::string_view head) {
  HttpResponse response;
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  const std::vector<absl::string_view> status_line =
      absl::StrSplit(lines[0], absl::MaxSplits(' ', 2));
  int status = 0;
  if (status_line.size() != 3 || !absl::StartsWith(status_line[0], "HTTP/1.") ||
      status_line[1].size() != 3 || !absl::SimpleAtoi(status_line[1], &status)) {
    response.problem = absl::StrCat("not a status line: '", lines[0], "'");
    return response;
  }
  response.version = std::string(status_line[0]);
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    if (colon == absl::string_view::npos || colon == 0) {
      response.problem = absl::StrCat("not a header field: '", lines[i], "'");
      return response;
    }
    response.headers.emplace_back(
        std::string(lines[i].substr(0, colon)),
        std::string(absl::StripAsciiWhitespace(lines[i].substr(colon + 1))));
  }
  response.status = status;
  return response;
}

void CheckWhatEveryResponseHas(const HttpResponse& response) {
  EXPECT_EQ(response.HeaderCount("Cache-Control"), 1) << response;
  EXPECT_EQ(response.Header("Cache-Control"), "no-store, max-age=0") << response;
  EXPECT_EQ(response.HeaderCount("Content-Length"), 1) << response;
  EXPECT_FALSE(response.Has("Transfer-Encoding")) << response;
}

}  // namespace

std::string HttpRequest::Serialize() const {
  std::string message = absl::StrCat(method, " ", target, " HTTP/1.1\r\n");
  if (!HasHeader(headers, "Host")) absl::StrAppend(&message, "Host: test\r\n");
  for (const auto& [name, value] : headers) absl::StrAppend(&message, name, ": ", value, "\r\n");
  const bool framed =
      HasHeader(headers, "Content-Length") || HasHeader(headers, "Transfer-Encoding");
  if (!framed && (!body.empty() || method == "POST" || method == "PUT")) {
    absl::StrAppend(&message, "Content-Length: ", body.size(), "\r\n");
  }
  absl::StrAppend(&message, "\r\n", body);
  return message;
}

std::string HttpResponse::Header(absl::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (absl::EqualsIgnoreCase(each, name)) return value;
  }
  return "";
}

int HttpResponse::HeaderCount(absl::string_view name) const {
  return static_cast<int>(std::count_if(headers.begin(), headers.end(), [name](const auto& header) {
    return absl::EqualsIgnoreCase(header.first, name);
  }));
}

bool HttpResponse::SaysClose() const {
  return absl::EqualsIgnoreCase(Header("Connection"), "close");
}

std::ostream& operator<<(std::ostream& out, const HttpResponse& response) {
  if (response.status == 0) return out << "\nno response: " << response.problem << "\n";
  out << "\n" << response.version << " " << response.status << "\n";
  for (const auto& [name, value] : response.headers) out << name << ": " << value << "\n";
  return out << "\n" << response.body.substr(0, 200) << "\n";
}

HttpClient::HttpClient(absl::string_view address, int receive_buffer_bytes) {
  absl::string_view path = address;
  socket_ = absl::ConsumePrefix(&path, "unix:") ? ConnectToUnix(path, receive_buffer_bytes)
                                                : ConnectToUrl(address, receive_buffer_bytes);
  if (connected() && absl::StartsWith(address, "https://") && !StartTls()) Close();
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      ssl_(std::move(other.ssl_)),
      certificate_(std::move(other.certificate_)),
      tls_piece_bytes_(other.tls_piece_bytes_),
      got_close_notify_(other.got_close_notify_),
      buffer_(std::move(other.buffer_)),
      taken_(std::exchange(other.taken_, 0)) {}

HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
  if (this != &other) {
    Close();
    socket_ = std::exchange(other.socket_, -1);
    ssl_ = std::move(other.ssl_);
    certificate_ = std::move(other.certificate_);
    tls_piece_bytes_ = other.tls_piece_bytes_;
    got_close_notify_ = other.got_close_notify_;
    buffer_ = std::move(other.buffer_);
    taken_ = std::exchange(other.taken_, 0);
  }
  return *this;
}

HttpClient::~HttpClient() { Close(); }

bool HttpClient::SendClientHello(const TlsStart& start) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  // The client's own defaults refuse old versions; here the server must refuse them.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, start.version_max);
  ssl_.reset(SSL_new(context));
  SSL_CTX_free(context);
  if (!start.protocols.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(start.protocols.data()),
                        static_cast<unsigned int>(start.protocols.size()));
  }
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
  tls_piece_bytes_ = start.piece_bytes;
  SSL_do_handshake(ssl_.get());
  return SendTlsOutput();
}

bool HttpClient::FinishHandshake() {
  const absl::Time deadline = NewDeadline();
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (!SendTlsOutput()) return false;
    if (result == 1) break;
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return false;
    std::string received;
    if (ReadMoreRaw(deadline, received) != ReadResult::kData) return false;
    BIO_write(SSL_get_rbio(ssl_.get()), received.data(), static_cast<int>(received.size()));
  }
  certificate_.reset(SSL_get_peer_certificate(ssl_.get()));
  return true;
}

bool HttpClient::StartTls(const TlsStart& start) {
  return SendClientHello(start) && FinishHandshake();
}

std::string HttpClient::tls_protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string HttpClient::TakeTlsOutput() {
  std::string output(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
  if (!output.empty()) {
    BIO_read(SSL_get_wbio(ssl_.get()), output.data(), static_cast<int>(output.size()));
  }
  return output;
}

bool HttpClient::SendTlsOutput() {
  const std::string output = TakeTlsOutput();
  absl::string_view rest = output;
  while (!rest.empty()) {
    const absl::string_view piece = rest.substr(0, tls_piece_bytes_);
    if (!SendRaw(piece)) return false;
    rest.remove_prefix(piece.size());
  }
  return true;
}

bool HttpClient::Send(absl::string_view bytes) {
  if (ssl_ == nullptr) return SendRaw(bytes);
  return bytes.empty() ||
         (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0 &&
          SendTlsOutput());
}

bool HttpClient::SendBlindly(absl::string_view bytes) { return SendRaw(bytes, POLLOUT); }

bool HttpClient::SendRaw(absl::string_view bytes) {
  // TLS has messages that are no answer.
  return SendRaw(bytes, ssl_ == nullptr ? POLLOUT | POLLIN : POLLOUT);
}

bool HttpClient::SendRaw(absl::string_view bytes, short events) {
  if (!connected()) return false;
  const absl::Time deadline = NewDeadline();
  while (!bytes.empty()) {
    const short ready = Poll(socket_, events, deadline);
    if ((ready & POLLOUT) == 0) return false;
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool HttpClient::SendInPieces(absl::string_view bytes, size_t piece_bytes) {
  while (!bytes.empty()) {
    if (!Send(bytes.substr(0, piece_bytes))) return false;
    bytes.remove_prefix(std::min(piece_bytes, bytes.size()));
  }
  return true;
}

bool HttpClient::SendWhileReading(absl::string_view bytes) {
  if (!connected()) return false;
  std::string encrypted;
  if (ssl_ != nullptr) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    encrypted = TakeTlsOutput();
    bytes = encrypted;
  }
  const absl::Time deadline = NewDeadline();
  while (!bytes.empty()) {
    const short ready = Poll(socket_, POLLOUT | POLLIN, deadline);
    if (ready == 0) return false;
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) {
      if (ReadMore(deadline) != ReadResult::kData) return false;
      continue;
    }
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return false;
    }
  }
  return true;
}

HttpClient::ReadResult HttpClient::ReadMore(absl::Time deadline) {
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
  }
  if (ssl_ == nullptr) return ReadMoreRaw(deadline, buffer_);
  while (true) {
    char decrypted[SSL3_RT_MAX_PLAIN_LENGTH];
    ERR_clear_error();
    const int size = SSL_read(ssl_.get(), decrypted, sizeof decrypted);
    if (size > 0) {
      buffer_.append(decrypted, static_cast<size_t>(size));
      return ReadResult::kData;
    }
    const int reason = SSL_get_error(ssl_.get(), size);
    if (reason == SSL_ERROR_ZERO_RETURN) {
      got_close_notify_ = true;
      // TLS has ended; the connection has not yet.
      std::string behind;
      return ReadMoreRaw(deadline, behind);
    }
    if (reason != SSL_ERROR_WANT_READ) return ReadResult::kReset;
    std::string received;
    const ReadResult result = ReadMoreRaw(deadline, received);
    if (result != ReadResult::kData) return result;
    BIO_write(SSL_get_rbio(ssl_.get()), received.data(), static_cast<int>(received.size()));
  }
}

HttpClient::ReadResult HttpClient::ReadMoreRaw(absl::Time deadline, std::string& buffer) {
  if (!connected()) return ReadResult::kClosed;
  constexpr size_t kReadBytes = size_t{256} * 1024;
  while (true) {
    if (Poll(socket_, POLLIN, deadline) == 0) return ReadResult::kDeadline;
    const size_t before = buffer.size();
    buffer.resize(before + kReadBytes);
    const ssize_t received = recv(socket_, buffer.data() + before, kReadBytes, 0);
    const int error = errno;
    buffer.resize(before + static_cast<size_t>(std::max<ssize_t>(received, 0)));
    if (received > 0) return ReadResult::kData;
    if (received == 0) return ReadResult::kClosed;
    if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR) return ReadResult::kReset;
  }
}

HttpResponse HttpClient::ReadResponse(absl::string_view method) {
  HttpResponse response = TakeResponse(method);
  if (response.status >= 200) CheckWhatEveryResponseHas(response);
  return response;
}

HttpResponse HttpClient::TakeResponse(absl::string_view method) {
  const absl::Time deadline = NewDeadline();
  // Reads until `bytes` are unread; otherwise returns the obstacle, for people.
  const auto read_more = [&](absl::string_view part) -> std::string {
    switch (ReadMore(deadline)) {
      case ReadResult::kData:
        return "";
      case ReadResult::kClosed:
        return absl::StrCat("connection closed while waiting for the ", part);
      case ReadResult::kReset:
        return absl::StrCat("connection reset while waiting for the ", part);
      case ReadResult::kDeadline:
        break;
    }
    return absl::StrCat("deadline exceeded while waiting for the ", part);
  };

  HttpResponse response;
  size_t head_end = Unread().find("\r\n\r\n");
  while (head_end == absl::string_view::npos) {
    response.problem = read_more("head");
    if (!response.problem.empty()) {
      absl::StrAppend(&response.problem, ", after '", Unread().substr(0, 200), "'");
      return response;
    }
    head_end = Unread().find("\r\n\r\n");
  }
  response = ParseHead(Unread().substr(0, head_end));
  if (response.status == 0) return response;
  taken_ += head_end + 4;

  size_t body_bytes = 0;
  if (response.Has("Content-Length") && method != "HEAD" && response.status >= 200 &&
      !absl::SimpleAtoi(response.Header("Content-Length"), &body_bytes)) {
    response.problem = absl::StrCat("Content-Length is '", response.Header("Content-Length"), "'");
    response.status = 0;
    return response;
  }
  while (Unread().size() < body_bytes) {
    response.problem = read_more("body");
    if (!response.problem.empty()) {
      absl::StrAppend(&response.problem, ", after ", Unread().size(), " of ", body_bytes, " bytes");
      response.status = 0;
      return response;
    }
  }
  response.body = std::string(Unread().substr(0, body_bytes));
  taken_ += body_bytes;
  return response;
}

HttpResponse HttpClient::Exchange(const HttpRequest& request) {
  HttpResponse response;
  if (!connected()) {
    response.problem = "not connected";
    return response;
  }
  Send(request.Serialize());
  do {
    response = ReadResponse(request.method);
  } while (response.status >= 100 && response.status < 200);
  return response;
}

std::optional<std::string> HttpClient::ReadUntilClosed() {
  const absl::Time deadline = NewDeadline();
  ReadResult result = ReadResult::kData;
  while (result == ReadResult::kData) result = ReadMore(deadline);
  if (result == ReadResult::kDeadline) return std::nullopt;
  std::string received(Unread());
  taken_ = buffer_.size();
  return received;
}

bool HttpClient::WaitForAnswer() {
  return connected() && Poll(socket_, POLLIN, NewDeadline()) != 0;
}

bool HttpClient::ClosedWithin(absl::Duration wait) {
  const absl::Time deadline = absl::Now() + wait;
  ReadResult result = ReadResult::kData;
  while (result == ReadResult::kData) result = ReadMore(deadline);
  return result != ReadResult::kDeadline;
}

bool HttpClient::ClosedRawWithin(absl::Duration wait) {
  const absl::Time deadline = absl::Now() + wait;
  std::string received;
  ReadResult result = ReadResult::kData;
  while (result == ReadResult::kData) result = ReadMoreRaw(deadline, received);
  return result != ReadResult::kDeadline;
}

void HttpClient::ShutdownWrite() { shutdown(socket_, SHUT_WR); }

void HttpClient::Close(bool abort) {
  if (!connected()) return;
  if (abort) {
    const linger reset = {1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close(std::exchange(socket_, -1));
}

}  // namespace tcsync::conformance
