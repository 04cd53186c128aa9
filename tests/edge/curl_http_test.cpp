#include "edge/curl_http.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ivr/version.hpp"
#include "loopback.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

// A server as small as one can be: a thread a connection, what it says depends on the path.
class TestServer {
 public:
  TestServer() {
    const Listener listener = listen_on_loopback(512);
    listener_ = listener.socket;
    port_ = listener.port;
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestServer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      for (int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    changed_.notify_all();
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    close(listener_);
  }

  std::string url(const std::string& path) const { return "http://" + host() + path; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  bool wait_held(int count) {  // that many connections sit in /slow
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return held_ == count; });
  }
  int connections() {
    std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      if (stopping_) {
        close(fd);
        return;
      }
      ++connections_;
      open_.insert(fd);
      threads_.emplace_back([this, fd] {
        serve(fd);
        std::lock_guard inner(mutex_);
        open_.erase(fd);
        close(fd);
      });
    }
  }

  static bool say(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  static std::string reply(std::string_view status, std::string_view body, std::string_view more = "") {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(more) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }

  void serve(int fd) {
    std::string got;
    for (;;) {
      std::size_t head;
      while ((head = got.find("\r\n\r\n")) == std::string::npos) {
        if (!more(fd, got)) return;
      }
      std::size_t whole = head + 4;
      if (const auto at = got.find("Content-Length: "); at < head) whole += std::stoul(got.substr(at + 16));
      while (got.size() < whole) {
        if (!more(fd, got)) return;
      }
      const std::string request = got.substr(0, whole);
      got.erase(0, whole);
      if (!answer(fd, request)) return;
    }
  }
  static bool more(int fd, std::string& got) {
    char buffer[4096];
    const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    if (size <= 0) return false;
    got.append(buffer, static_cast<std::size_t>(size));
    return got[0] != 0x16;  // a TLS hello: not spoken here
  }

  bool answer(int fd, const std::string& request) {  // false: close the connection
    const auto from = request.find(' ') + 1;
    const std::string path = request.substr(from, request.find_first_of(" ?", from) - from);
    if (path == "/ok") return say(fd, reply("200 OK", "fine"));
    if (path == "/echo") return say(fd, reply("200 OK", request));
    if (path == "/head") return say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    if (path == "/500") return say(fd, reply("500 Broken", "sorry"));
    if (path == "/redirect") return say(fd, reply("302 Found", "", "Location: /ok\r\n"));
    if (path == "/round") return say(fd, reply("302 Found", "", "Location: /round\r\n"));
    if (path == "/away") return say(fd, reply("302 Found", "", "Location: file:///etc/passwd\r\n"));
    if (path == "/close") return false;
    if (path == "/partial") return say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") && false;
    if (path == "/garbage") return say(fd, std::string("\x01\x02 no status line\r\n\r\n")) && false;
    if (path == "/big") return say(fd, reply("200 OK", std::string((1 << 20) + 1, 'x')));
    if (path == "/limit") return say(fd, reply("200 OK", std::string(1 << 20, 'x')));
    if (path == "/chunked") {
      return say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") &&
             say(fd, "6\r\n world\r\n0\r\n\r\n");
    }
    if (path == "/endless") {
      if (!say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) return false;
      const std::string chunk = "1000\r\n" + std::string(0x1000, 'y') + "\r\n";
      while (say(fd, chunk)) {
      }
      return false;
    }
    if (path == "/slow") {  // never answers; until the peer or the test has enough
      hold(+1);
      char byte;
      while (recv(fd, &byte, 1, 0) > 0) {
      }
      hold(-1);
      return false;
    }
    return say(fd, reply("404 Not Found", ""));
  }
  void hold(int change) {
    {
      std::lock_guard lock(mutex_);
      held_ += change;
    }
    changed_.notify_all();
  }

  int listener_ = -1;
  int port_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int> open_;
  int held_ = 0, connections_ = 0;
  bool stopping_ = false;
};

class Replies {
 public:
  auto sink() {
    return [this](RequestId id, HttpReply reply) {
      {
        std::lock_guard lock(mutex_);
        ++count_[id];
        replies_[id] = std::move(reply);
      }
      changed_.notify_all();
    };
  }
  HttpReply wait(RequestId id) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return count_.contains(id); }))
        << "no reply to request " << id;
    return replies_[id];
  }
  int count(RequestId id) {
    std::lock_guard lock(mutex_);
    return count_[id];
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return replies_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<RequestId, int> count_;
  std::map<RequestId, HttpReply> replies_;
};

class CurlHttpTest : public testing::Test {
 protected:
  void make(const CurlHttpOptions& options = {}) { http_ = *CurlHttp::create(options); }
  void SetUp() override { make(); }

  HttpReply get(const std::string& path) { return send({.url = server_.url(path)}); }
  HttpReply send(HttpRequest request) {
    const RequestId id = ++next_;
    http_->fetch(id, std::move(request), replies_.sink());
    return replies_.wait(id);
  }

  TestServer server_;
  Replies replies_;
  RequestId next_ = 0;
  std::unique_ptr<CurlHttp> http_;
};

TEST_F(CurlHttpTest, GivesStatusAndBody) {
  EXPECT_EQ(get("/ok"), (HttpReply{200, "fine", ""}));
  EXPECT_EQ(get("/500"), (HttpReply{500, "sorry", ""}));
  EXPECT_EQ(get("/nothing-here"), (HttpReply{404, "", ""}));
  EXPECT_EQ(get("/chunked"), (HttpReply{200, "hello world", ""}));
  EXPECT_EQ(get("/limit").body.size(), 1u << 20);
  EXPECT_EQ(server_.connections(), 1) << "the connection is used again";
}

TEST_F(CurlHttpTest, SendsMethodHeadersAndBodyAsGiven) {
  const struct {
    HttpRequest request;
    std::string first_line;
    bool body;
  } rows[] = {
      {{.method = "GET"}, "GET /echo?a=1 HTTP/1.1\r\n", false},
      {{.method = "GET", .body = "{}"}, "GET /echo?a=1 HTTP/1.1\r\n", true},
      {{.method = "POST", .body = "{\"n\":1}"}, "POST /echo?a=1 HTTP/1.1\r\n", true},
      {{.method = "POST"}, "POST /echo?a=1 HTTP/1.1\r\n", false},
      {{.method = "PUT", .body = std::string("a\0b", 3)}, "PUT /echo?a=1 HTTP/1.1\r\n", true},
      {{.method = "PATCH", .body = std::string(100'000, 'p')}, "PATCH /echo?a=1 HTTP/1.1\r\n", true},
      {{.method = "DELETE"}, "DELETE /echo?a=1 HTTP/1.1\r\n", false},
  };
  for (auto row : rows) {
    SCOPED_TRACE(row.first_line);
    row.request.url = server_.url("/echo?a=1");
    row.request.headers = {{"X-Trace", "a\tb: c"}, {"X-Empty", ""}, {"Authorization", "Bearer t"}};
    const std::string body = row.request.body;
    const HttpReply reply = send(row.request);
    ASSERT_EQ(reply.status, 200) << reply.error;
    EXPECT_EQ(reply.body.substr(0, row.first_line.size()), row.first_line);
    EXPECT_THAT(reply.body, HasSubstr("X-Trace: a\tb: c\r\n"));
    EXPECT_THAT(reply.body, HasSubstr("X-Empty:\r\n"));
    EXPECT_THAT(reply.body, HasSubstr("Authorization: Bearer t\r\n"));
    EXPECT_THAT(reply.body, HasSubstr("User-Agent: libivr/" + std::string(version()) + "\r\n"));
    EXPECT_THAT(reply.body, testing::Not(HasSubstr("Content-Type")));
    EXPECT_THAT(reply.body, testing::Not(HasSubstr("Expect")));
    EXPECT_EQ(reply.body.substr(reply.body.find("\r\n\r\n") + 4), body);
  }
  EXPECT_EQ(send({.method = "HEAD", .url = server_.url("/head")}).status, 204);
}

TEST_F(CurlHttpTest, SaysInFewWordsWhatWentWrong) {
  const std::string host = ": " + server_.host();
  const std::string long_label(64,
                               'a');  // one more than DNS takes (RFC 1035, 2.3.4): no name server is asked
  const struct {
    HttpRequest request;
    std::string error;
  } rows[] = {
      {{.url = server_.url("/slow?pin=1234"), .timeout = 50ms}, "timeout after 50 ms" + host},
      {{.url = "http://127.0.0.1:1/x"}, "connection refused: 127.0.0.1:1"},
      {{.url = server_.url("/close")}, "closed without a reply" + host},
      {{.url = server_.url("/partial")}, "connection broken" + host},
      {{.url = server_.url("/garbage")}, "not an HTTP reply" + host},
      {{.url = server_.url("/big")}, "body over 1048576 bytes" + host},
      {{.url = server_.url("/endless")}, "body over 1048576 bytes" + host},
      {{.url = "https://" + server_.host() + "/ok"}, "no TLS connection" + host},
      {{.url = "http://" + long_label + ".invalid/"}, "host not found: " + long_label},
      {{.url = "file:///etc/passwd"}, "neither http nor https: "},
      {{.url = "ftp://127.0.0.1/x"}, "neither http nor https: 127.0.0.1"},
      {{.url = ""}, "no URL"},
      {{.url = server_.url("/a b")}, "bad URL: a space or control character in it"},
      {{.url = server_.url("/ok"), .headers = {{"X", "a\r\nY: b"}}}, "bad value of header 'X'"},
      {{.url = server_.url("/ok"), .headers = {{"X: a\r\nY", "b"}}}, "bad header name"},
      {{.method = "GET /ok HTTP/1.0\r\n", .url = server_.url("/ok")}, "bad method"},
      {{.url = server_.url("/ok"), .timeout = 0ms}, "timeout 0 ms must be positive"},
  };
  for (const auto& row : rows) {
    const HttpReply reply = send(row.request);
    EXPECT_EQ(reply.status, 0) << row.request.url;
    EXPECT_EQ(reply.body, "");
    EXPECT_EQ(reply.error.substr(0, row.error.size()), row.error);
    EXPECT_THAT(reply.error, testing::Not(HasSubstr("1234")));
  }
  EXPECT_EQ(get("/ok").status, 200);
}

TEST_F(CurlHttpTest, FollowsARedirectOnlyWhenTold) {
  EXPECT_EQ(get("/redirect").status, 302);
  make({.max_redirects = 3});
  EXPECT_EQ(get("/redirect"), (HttpReply{200, "fine", ""}));
  EXPECT_EQ(get("/round").error, "more than 3 redirects: " + server_.host());
  EXPECT_EQ(get("/away").status, 0) << "not into the file system";
  EXPECT_FALSE(CurlHttp::create({.max_redirects = 4}).ok());
}

TEST_F(CurlHttpTest, SlowServersHoldNobodyUp) {
  constexpr int kSlow = 200;
  for (RequestId id = 1000; id < 1000 + kSlow; ++id) {
    http_->fetch(id, {.url = server_.url("/slow"), .timeout = 1h}, replies_.sink());
  }
  ASSERT_TRUE(server_.wait_held(kSlow));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get("/ok").status, 200);
  EXPECT_EQ(replies_.size(), 20u);
  for (RequestId id = 1000; id < 1000 + kSlow; ++id) http_->cancel(id);
  EXPECT_TRUE(server_.wait_held(0)) << "a cancelled request closes its connection";
  EXPECT_EQ(replies_.size(), 20u);
}

TEST_F(CurlHttpTest, RefusesMoreThanItsLimit) {
  make({.max_requests = 2});
  for (RequestId id : {101, 102})
    http_->fetch(id, {.url = server_.url("/slow"), .timeout = 1h}, replies_.sink());
  EXPECT_EQ(get("/ok").error, "too many requests: 2 are under way");
  http_->cancel(101);
  EXPECT_EQ(get("/ok").status, 200);
}

TEST_F(CurlHttpTest, DoneComesOnceOrAfterCancelNever) {
  constexpr RequestId kRequests = 1500;
  std::vector<std::atomic<int>> done(kRequests);
  // Two threads fetch the even and the odd ones; every third is cancelled by the one that fetched it.
  const auto run = [&](RequestId first) {
    for (RequestId id = first; id < kRequests; id += 2) {
      http_->fetch(id, {.url = server_.url("/ok"), .timeout = 30s},
                   [&](RequestId which, HttpReply) { ++done[which]; });
      if (id % 3 == 0) {
        if (id % 4 == 0) std::this_thread::yield();
        http_->cancel(id);
      }
    }
  };
  std::thread other([&] { run(1); });
  run(0);
  other.join();
  next_ = kRequests;
  get("/ok");
  http_.reset();  // what is still under way ends here
  for (RequestId id = 0; id < kRequests; ++id) {
    if (id % 3 == 0) {
      EXPECT_LE(done[id], 1) << id;
    } else {
      EXPECT_EQ(done[id], 1) << id;
    }
  }
}

TEST_F(CurlHttpTest, DoneDoesNotBeginAfterCancelHasReturned) {
  for (RequestId id = 1; id <= 200; ++id) {
    std::atomic<int> begun{0};  // gone with this round: a late `done` would be seen by the sanitizers, too
    http_->fetch(id, {.url = server_.url("/ok")}, [&](RequestId, HttpReply) { ++begun; });
    if (id % 2) std::this_thread::yield();
    http_->cancel(id);
    const int seen = begun;
    next_ = 1000 + id;
    get("/ok");
    EXPECT_LE(seen, 1);
    EXPECT_LE(begun - seen, 1) << "only one that had begun may end";
  }
}

TEST_F(CurlHttpTest, EndsWhatIsUnderWayWhenItStops) {
  http_->fetch(7, {.url = server_.url("/slow"), .timeout = 1h}, replies_.sink());
  ASSERT_TRUE(server_.wait_held(1));
  http_->fetch(8, {.url = server_.url("/slow"), .timeout = 1h}, replies_.sink());
  http_->cancel(99);  // nobody: no harm
  http_.reset();
  EXPECT_EQ(replies_.count(7), 1);
  EXPECT_EQ(replies_.count(8), 1);
  EXPECT_THAT(replies_.wait(7).error, HasSubstr("stopped before the reply: " + server_.host()));
}

}  // namespace
}  // namespace ivr
