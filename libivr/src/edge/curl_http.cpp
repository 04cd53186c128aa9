#include "edge/curl_http.hpp"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ivr/version.hpp"

namespace ivr {
namespace {

using Done = std::function<void(RequestId, HttpReply)>;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
  });
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// "127.0.0.1:8080" of a URL: where it goes, without what it asks for.
std::string host_of(const std::string& url) {
  CURLU* parsed = curl_url();
  std::string host = "?";
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
    char* part = nullptr;
    if (curl_url_get(parsed, CURLUPART_HOST, &part, 0) == CURLUE_OK) host = part;
    curl_free(part);
    part = nullptr;
    if (curl_url_get(parsed, CURLUPART_PORT, &part, 0) == CURLUE_OK) host.append(1, ':').append(part);
    curl_free(part);
  }
  curl_url_cleanup(parsed);
  return host;
}

// Empty when the request can be sent as it is.
std::string refusal(const HttpRequest& request) {
  if (!is_token(request.method) || request.method.size() > 32)
    return "bad method: '" + request.method.substr(0, 32) + "'";
  if (request.url.empty()) return "no URL";
  if (has_control(request.url) || request.url.find(' ') != std::string::npos) {
    return "bad URL: a space or control character in it";
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return "bad header name: '" + name.substr(0, 64) + "'";
    // A tab is the one control character that a value may have; a line end would start another header.
    std::string plain = value;
    std::replace(plain.begin(), plain.end(), '\t', ' ');
    if (has_control(plain)) return "bad value of header '" + name + "': a control character in it";
  }
  if (request.timeout <= 0ms)
    return "timeout " + std::to_string(request.timeout.count()) + " ms must be positive";
  return {};
}

}  // namespace

class CurlHttp::Worker {
 public:
  Worker(const CurlHttpOptions& options, CURLM* multi) : options_(options), multi_(multi) {
    user_agent_ = "libivr/" + std::string(version());
    thread_ = std::thread([this] { run(); });
  }

  ~Worker() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  void fetch(RequestId id, HttpRequest request, Done done) {
    auto exchange = std::make_unique<Exchange>();
    exchange->id = id;
    exchange->request = std::move(request);
    exchange->done = std::move(done);
    {
      std::lock_guard lock(mutex_);
      exchange->serial = ++serial_;
      if (live_.size() >= static_cast<std::size_t>(options_.max_requests)) {
        exchange->reply.error =
            "too many requests: " + std::to_string(options_.max_requests) + " are under way";
      }
      live_[id] = exchange->serial;
      arrived_.push_back(std::move(exchange));
    }
    curl_multi_wakeup(multi_);
  }

  void cancel(RequestId id) {
    {
      std::lock_guard lock(mutex_);
      if (live_.erase(id) == 0) return;
      cancelled_ = true;
    }
    curl_multi_wakeup(multi_);
  }

 private:
  struct Exchange {
    RequestId id = 0;
    std::uint64_t serial = 0;  // an id used again is another exchange
    HttpRequest request;
    Done done;
    HttpReply reply;
    CURL* easy = nullptr;
    curl_slist* headers = nullptr;
    std::size_t max_body = 0;
    bool too_big = false;
  };

  bool lives(const Exchange& exchange) const {  // under the mutex; false: cancelled
    const auto found = live_.find(exchange.id);
    return found != live_.end() && found->second == exchange.serial;
  }

  void run() {
    // A TLS connection that breaks while we write would raise it; curl does not look after it with NOSIGNAL.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) {
      std::vector<std::unique_ptr<Exchange>> arrived;
      std::vector<std::uint64_t> gone;
      {
        std::lock_guard lock(mutex_);
        if (stopping_) break;
        arrived.swap(arrived_);
        if (std::exchange(cancelled_, false)) {
          for (const auto& [serial, exchange] : running_) {
            if (!lives(*exchange)) gone.push_back(serial);
          }
          std::erase_if(arrived, [this](const auto& exchange) { return !lives(*exchange); });
        }
      }
      for (std::uint64_t serial : gone) release(*running_.extract(serial).mapped());
      for (auto& exchange : arrived) begin(std::move(exchange));
      int active = 0;
      curl_multi_perform(multi_, &active);
      int left = 0;
      while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg == CURLMSG_DONE) ended(message->easy_handle, message->data.result);
      }
      curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
    }
    std::vector<std::unique_ptr<Exchange>> arrived;
    {
      std::lock_guard lock(mutex_);
      arrived.swap(arrived_);
    }
    for (auto& [serial, exchange] : running_) {
      release(*exchange);
      arrived.push_back(std::move(exchange));
    }
    running_.clear();
    for (auto& exchange : arrived) {
      exchange->reply = {0, "", "stopped before the reply: " + host_of(exchange->request.url)};
      report(*exchange);
    }
  }

  void begin(std::unique_ptr<Exchange> exchange) {
    if (exchange->reply.error.empty()) exchange->reply.error = refusal(exchange->request);
    if (!exchange->reply.error.empty()) return report(*exchange);
    if (idle_.empty()) {
      exchange->easy = curl_easy_init();
    } else {
      exchange->easy = idle_.back();
      idle_.pop_back();
    }
    exchange->max_body = options_.max_body;
    set_up(*exchange);
    const CURLMcode code = curl_multi_add_handle(multi_, exchange->easy);
    if (code != CURLM_OK) {
      exchange->reply.error = std::string("not started: ") + curl_multi_strerror(code);
      release(*exchange);
      return report(*exchange);
    }
    running_.emplace(exchange->serial, std::move(exchange));
  }

  void set_up(Exchange& exchange) {
    CURL* easy = exchange.easy;
    const HttpRequest& request = exchange.request;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &exchange);
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, options_.max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(options_.max_redirects));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // Without it a name server that does not answer would hold the whole thread after the request's own
    // timeout.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent_.c_str());
    curl_easy_setopt(easy, CURLOPT_PROXY, options_.proxy.c_str());
    if (!options_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(std::min<Millis>(request.timeout, 1h).count()));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options_.max_body));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Worker::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);

    if (same_word(request.method, "HEAD")) {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
      const bool sends = !request.body.empty() || same_word(request.method, "POST") ||
                         same_word(request.method, "PUT") || same_word(request.method, "PATCH");
      if (sends) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
      }
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    bool typed = false, expecting = false;
    for (const auto& [name, value] : request.headers) {
      typed |= same_word(name, "Content-Type");
      expecting |= same_word(name, "Expect");
      std::string line = name;
      // In curl's language "Name:" takes a header away and "Name;" sends an empty one.
      line += value.empty() ? ";" : ": ";
      line += value;
      exchange.headers = curl_slist_append(exchange.headers, line.c_str());
    }
    if (!typed) exchange.headers = curl_slist_append(exchange.headers, "Content-Type:");  // not a form
    if (!expecting)
      exchange.headers = curl_slist_append(exchange.headers, "Expect:");  // no round trip before a body
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange.headers);
  }

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    const std::size_t bytes = size * count;
    if (exchange.reply.body.size() + bytes > exchange.max_body) {
      exchange.too_big = true;
      return 0;
    }
    exchange.reply.body.append(data, bytes);
    return bytes;
  }

  void ended(CURL* easy, CURLcode code) {
    Exchange* which = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &which);
    const auto exchange = std::move(running_.extract(which->serial).mapped());
    if (code == CURLE_OK) {
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      exchange->reply.status = static_cast<int>(status);
    } else {
      std::string words = failure(*exchange, code);
      exchange->reply = {0, "", std::move(words)};
    }
    release(*exchange);
    report(*exchange);
  }

  std::string failure(const Exchange& exchange, CURLcode code) const {
    const std::string host = ": " + host_of(exchange.request.url);
    switch (static_cast<int>(code)) {
      case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t connected = 0;
        curl_easy_getinfo(exchange.easy, CURLINFO_CONNECT_TIME_T, &connected);
        if (connected == 0 && options_.connect_timeout < exchange.request.timeout) {
          return "no connection after " + std::to_string(options_.connect_timeout.count()) + " ms" + host;
        }
        return "timeout after " + std::to_string(exchange.request.timeout.count()) + " ms" + host;
      }
      case CURLE_COULDNT_CONNECT: {
        long number = 0;
        curl_easy_getinfo(exchange.easy, CURLINFO_OS_ERRNO, &number);
        if (number == ECONNREFUSED || number == 0) return "connection refused" + host;
        return "no connection (" + std::generic_category().message(static_cast<int>(number)) + ")" + host;
      }
      case CURLE_COULDNT_RESOLVE_HOST: return "host not found" + host;
      case CURLE_UNSUPPORTED_PROTOCOL:  // curl says the same of a reply without a status line
        return (same_word(exchange.request.url.substr(0, 4), "http") ? "not an HTTP reply"
                                                                     : "neither http nor https") +
               host;
      case CURLE_URL_MALFORMAT: return "bad URL" + host;
      case CURLE_GOT_NOTHING: return "closed without a reply" + host;
      case CURLE_PARTIAL_FILE:
      case CURLE_SEND_ERROR:
      case CURLE_RECV_ERROR: return "connection broken" + host;
      case CURLE_WEIRD_SERVER_REPLY:
      case CURLE_HTTP2: return "not an HTTP reply" + host;
      case CURLE_PEER_FAILED_VERIFICATION: return "certificate not trusted" + host;
      case CURLE_SSL_CONNECT_ERROR: return "no TLS connection" + host;
      case CURLE_TOO_MANY_REDIRECTS:
        return "more than " + std::to_string(options_.max_redirects) + " redirects" + host;
      case CURLE_WRITE_ERROR:
      case CURLE_FILESIZE_EXCEEDED:
        if (code == CURLE_FILESIZE_EXCEEDED || exchange.too_big) {
          return "body over " + std::to_string(options_.max_body) + " bytes" + host;
        }
        break;
      default: break;
    }
    return std::string(curl_easy_strerror(code)) + host;
  }

  // The handle goes back to those that wait; its connection stays open in the multi handle.
  void release(Exchange& exchange) {
    curl_multi_remove_handle(multi_, exchange.easy);
    curl_easy_reset(exchange.easy);
    curl_slist_free_all(std::exchange(exchange.headers, nullptr));
    if (idle_.size() < kMaxIdle) {
      idle_.push_back(exchange.easy);
    } else {
      curl_easy_cleanup(exchange.easy);
    }
    exchange.easy = nullptr;
  }

  void report(Exchange& exchange) {
    {
      std::lock_guard lock(mutex_);
      if (!lives(exchange)) return;
      live_.erase(exchange.id);
    }
    exchange.done(exchange.id, std::move(exchange.reply));
  }

  static constexpr std::size_t kMaxIdle = 64;

  const CurlHttpOptions options_;
  CURLM* const multi_;
  std::string user_agent_;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Exchange>> running_;  // by serial
  std::vector<CURL*> idle_;

  std::mutex mutex_;  // held for a few moves, never while curl works
  std::vector<std::unique_ptr<Exchange>> arrived_;
  absl::flat_hash_map<RequestId, std::uint64_t> live_;  // id to serial: fetched, not cancelled, not done
  std::uint64_t serial_ = 0;
  bool cancelled_ = false, stopping_ = false;

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<CurlHttp>> CurlHttp::create(const CurlHttpOptions& options) {
  if (options.max_redirects < 0 || options.max_redirects > 3) {
    return absl::InvalidArgumentError("max_redirects " + std::to_string(options.max_redirects) + ": 0 to 3");
  }
  if (options.max_requests < 1) {
    return absl::InvalidArgumentError("max_requests " + std::to_string(options.max_requests) +
                                      ": at least 1");
  }
  if (options.connect_timeout <= 0ms) {
    return absl::InvalidArgumentError("connect_timeout " + std::to_string(options.connect_timeout.count()) +
                                      " ms: must be positive");
  }
  static const CURLcode kReady =
      curl_global_init(CURL_GLOBAL_DEFAULT);  // once in a process, whoever comes first
  if (kReady != CURLE_OK) return absl::InternalError(std::string("libcurl: ") + curl_easy_strerror(kReady));
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) return absl::ResourceExhaustedError("libcurl: no memory for a multi handle");
  return std::unique_ptr<CurlHttp>(new CurlHttp(std::make_unique<Worker>(options, multi)));
}

CurlHttp::CurlHttp(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
CurlHttp::~CurlHttp() = default;

void CurlHttp::fetch(RequestId id, HttpRequest request, std::function<void(RequestId, HttpReply)> done) {
  worker_->fetch(id, std::move(request), std::move(done));
}
void CurlHttp::cancel(RequestId id) { worker_->cancel(id); }

}  // namespace ivr
