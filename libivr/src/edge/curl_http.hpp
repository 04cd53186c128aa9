#pragma once
#include <functional>
#include <memory>
#include <string>

#include "ivr/ports.hpp"

namespace ivr {

struct CurlHttpOptions {
  Millis connect_timeout = 3s;
  std::size_t max_body = 1 << 20;  // bytes of a reply; more is an error
  int max_requests = 4096;         // under way at once; one more is answered with an error at once
  int max_redirects = 0;           // 0: a redirect is a reply like any other; at most 3
  std::string proxy;               // empty: none; the environment is not asked
  std::string ca_file;             // PEM; empty: the system's. Certificates are always verified
};

// HTTP and HTTPS by libcurl: one thread, all requests at once, connections kept for the next one. It never
// tries again: that is the flow's business. Other protocols, control characters in what becomes a header, and
// files are refused. An error is a few words and the host, never the path or query, which may hold secrets:
// "timeout after 2000 ms: api.example.com", "connection refused: 127.0.0.1:1".
//
// Thread: any. `done` runs in the port's own thread and must be short; it may call fetch() and cancel(). Once
// cancel() has returned `done` will not begin any more. The destructor ends what is under way with an error
// reply; no fetch() after it has begun.
class CurlHttp final : public HttpPort {
 public:
  static absl::StatusOr<std::unique_ptr<CurlHttp>> create(const CurlHttpOptions& options = {});
  ~CurlHttp() override;

  void fetch(RequestId id, HttpRequest request, std::function<void(RequestId, HttpReply)> done) override;
  void cancel(RequestId id) override;

 private:
  class Worker;
  explicit CurlHttp(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

}  // namespace ivr
