// An HTTP/1.1 connection to the server under load: sends a request, reads its response.
//
// Kept: it stays open between requests. When the server closes it, it is opened again and the
// request without a response is sent again, once; both are counted and reported to the handler,
// because the server may have executed the request before it closed.
//
// Per request: each request opens a connection of its own, as each of very many users does, and a
// lost request is not sent again. The connection ends with a reset: a proper end would keep its
// local port for a minute, and one address has only some 28,000 of them for one server.
#ifndef TCSYNC_BENCH_LOAD_HTTP_CONNECTION_H_
#define TCSYNC_BENCH_LOAD_HTTP_CONNECTION_H_

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "load/handler_memory.h"
#include "load/http_response.h"

namespace tcsync::load {

// The bytes of one request, in up to three parts that are sent together. They are borrowed: the
// maker of a Request keeps them unchanged until it is answered.
struct Request {
  std::array<absl::string_view, 3> parts;
};

enum class ConnectionUse { kKept, kPerRequest };

// Used by one thread at a time, which runs the io_context. Must outlive the operations in its
// queue.
class HttpConnection {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnConnected() = 0;
    // `response` is valid until the next Send. `resent`: the request went out twice, so the server
    // may have seen it twice. The handler may call Send at once.
    virtual void OnResponse(const HttpResponse& response, bool resent) = 0;
    // Per request: the server did not take the connection, or closed it without an answer. It may
    // have executed the request. The handler may call Send at once.
    virtual void OnLost() = 0;
    // The request, or the first Connect, failed for good. The connection is unusable.
    virtual void OnFailure(absl::string_view reason) = 0;
  };

  // `handler` must outlive the connection.
  HttpConnection(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& endpoint,
                 ConnectionUse use, size_t body_bytes_max, Handler* handler);

  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // The first connection, if it is to be kept; answered by OnConnected or OnFailure.
  void Connect();

  // Answered by OnResponse, OnLost or OnFailure. One request at a time.
  void Send(const Request& request);

  // Closes the connection; pending requests get no answer any more.
  void Abandon();

  uint64_t reconnects() const { return reconnects_; }

 private:
  void Open();
  void OpenAndWrite();
  void OnOpened(const boost::system::error_code& error);
  void Write();
  void Read();
  void OnRead(const boost::system::error_code& error, size_t bytes);
  void Close();
  void FailLost(absl::string_view moment, const boost::system::error_code& error);
  void SendAgain();
  void Fail(absl::string_view reason);
  // The request without its first written_ bytes.
  std::array<boost::asio::const_buffer, 3> Unwritten() const;

  HandlerMemory read_memory_;
  boost::asio::ip::tcp::socket socket_;
  const boost::asio::ip::tcp::endpoint endpoint_;
  const ConnectionUse use_;
  Handler* const handler_;
  ResponseReader reader_;
  Request request_;
  size_t request_bytes_ = 0;
  size_t written_ = 0;
  bool outstanding_ = false;
  bool resent_ = false;
  uint64_t reconnects_ = 0;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_HTTP_CONNECTION_H_
