// Rings a SIP server at a given rate, whatever it answers, and tells what came of every call: INVITE, 200, ACK, BYE, 200.
// One UDP socket, messages made from templates and sent in batches, so that it takes less than the server it measures;
// repeats what is not answered (RFC 3261, 17.1), acknowledges refusals and repeated answers.
//
//   setups --target IP:PORT [--local IP] [--user hup] [--rate R] [--secs S] [--patience S] [--run NAME]
//
// Prints one line of JSON. Build: g++ -O2 -std=c++20 -o setups setups.cpp
#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::string target = "127.0.0.1:5060", local = "127.0.77.2", user = "hup", run = std::to_string(getpid());
  double rate = 100, secs = 5, patience = 8;
};

struct Call {
  enum class State : std::uint8_t { inviting, proceeding, up, over };
  State state = State::inviting;
  std::uint8_t sent = 0;  // INVITEs, then BYEs
  Clock::time_point began, bye;
  std::string to, contact;  // of the 200
};

struct Timer {
  Clock::time_point due;
  std::uint32_t call;
  bool bye;
};

constexpr int kLevels = 7;  // of repetition: 0.5, 1, 2 ... s after the one before (a BYE at most 4 s)
constexpr std::size_t kBatch = 64, kSize = 4096;

double percentile(std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(p * static_cast<double>(sorted.size())))];
}

std::string_view header(std::string_view text, std::string_view name) {
  std::size_t at = 0;
  while ((at = text.find(name, at)) != text.npos) {
    if (at > 0 && text[at - 1] == '\n') {
      const std::size_t begin = at + name.size();
      const std::size_t end = text.find('\r', begin);
      return text.substr(begin, end == text.npos ? end : end - begin);
    }
    ++at;
  }
  return {};
}

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options) {
    const std::size_t colon = options.target.rfind(':');
    if (colon == std::string::npos) fail("--target wants IP:PORT");
    to_.sin_family = AF_INET;
    to_.sin_port = htons(static_cast<std::uint16_t>(std::atoi(options.target.c_str() + colon + 1)));
    if (inet_pton(AF_INET, options.target.substr(0, colon).c_str(), &to_.sin_addr) != 1) fail("--target: no IPv4 address");
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const int room = 8 << 20;
    if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    inet_pton(AF_INET, options.local.c_str(), &from.sin_addr);
    socklen_t length = sizeof from;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&from), &length) != 0 ||
        connect(socket_, reinterpret_cast<sockaddr*>(&to_), sizeof to_) != 0)
      fail(std::strerror(errno));
    here_ = options.local + ":" + std::to_string(ntohs(from.sin_port));
    sdp_ = "v=0\r\no=- 1 1 IN IP4 " + options.local + "\r\ns=-\r\nc=IN IP4 " + options.local +
           "\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
           "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_vectors_[i] = {in_bytes_[i].data(), kSize};
      in_[i].msg_hdr.msg_iov = &in_vectors_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  void run() {
    const auto total = static_cast<std::uint32_t>(options_.rate * options_.secs);
    calls_.resize(total);
    const auto start = Clock::now() + 10ms;
    const auto due = [&](std::uint32_t n) {
      return start + std::chrono::duration_cast<Clock::duration>(Seconds(n / options_.rate));
    };
    const auto end = due(total) + std::chrono::duration_cast<Clock::duration>(Seconds(options_.patience));
    std::uint32_t next = 0;
    Clock::time_point now = Clock::now();
    while (now < end && (next < total || over_ < total)) {
      now = Clock::now();
      while (next < total && due(next) <= now) {
        late_ = std::max(late_, now - due(next));
        calls_[next].began = now;
        invite(next++, now);
      }
      for (int level = 0; level < kLevels; ++level) repeat(level, now);
      flush();
      bool any = false;
      int count = 0;
      while ((count = recvmmsg(socket_, in_.data(), kBatch, MSG_DONTWAIT, nullptr)) > 0) {
        any = true;
        now = Clock::now();
        for (int i = 0; i < count; ++i)
          hear({in_bytes_[static_cast<std::size_t>(i)].data(), in_[static_cast<std::size_t>(i)].msg_len}, now);
        flush();
        if (next < total && due(next) <= now) break;
      }
      if (any) continue;
      pollfd readable{socket_, POLLIN, 0};
      const auto left = next < total ? due(next) - Clock::now() : Clock::duration(20ms);
      if (left < 2ms) continue;  // awake: to be woken by each answer would be the server's work
      const auto wait = std::clamp<Clock::duration>(left, 0ns, 20ms);
      const timespec limit{0, std::chrono::duration_cast<std::chrono::nanoseconds>(wait).count()};
      ppoll(&readable, 1, &limit, nullptr);
    }
    took_ = Seconds(last_ - start).count();
    print(total);
  }

 private:
  [[noreturn]] static void fail(const char* why) {
    std::fprintf(stderr, "setups: %s\n", why);
    std::exit(2);
  }

  void invite(std::uint32_t n, Clock::time_point now) {
    Call& call = calls_[n];
    char text[kSize];
    const int size = std::snprintf(
        text, sizeof text,
        "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%u-i\r\nFrom: <sip:load@%s>;tag=%u\r\n"
        "To: <sip:%s@%s>\r\nCall-ID: %u-%s\r\nCSeq: 1 INVITE\r\nContact: <sip:load@%s>\r\nMax-Forwards: 70\r\n"
        "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
        options_.user.c_str(), options_.target.c_str(), here_.c_str(), options_.run.c_str(), n, here_.c_str(), n,
        options_.user.c_str(), options_.target.c_str(), n, options_.run.c_str(), here_.c_str(), sdp_.size(), sdp_.c_str());
    send({text, static_cast<std::size_t>(size)});
    if (call.sent < kLevels) timers_[call.sent].push_back({now + 500ms * (1 << call.sent), n, false});
    again_ += call.sent > 0;
    ++call.sent;
  }

  void in_dialog(std::uint32_t n, const char* method, int sequence, const char* branch, std::string_view to,
                 std::string_view uri) {
    char text[kSize];
    const int size = std::snprintf(
        text, sizeof text,
        "%s %.*s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%u-%s\r\nFrom: <sip:load@%s>;tag=%u\r\nTo:%.*s\r\n"
        "Call-ID: %u-%s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        method, static_cast<int>(uri.size()), uri.data(), here_.c_str(), options_.run.c_str(), n, branch, here_.c_str(), n,
        static_cast<int>(to.size()), to.data(), n, options_.run.c_str(), sequence, method);
    send({text, static_cast<std::size_t>(size)});
  }

  void bye(std::uint32_t n, Clock::time_point now) {
    Call& call = calls_[n];
    in_dialog(n, "BYE", 2, "b", call.to, call.contact);
    if (call.sent < kLevels)
      timers_[call.sent].push_back({now + std::min<Clock::duration>(500ms * (1 << call.sent), 4s), n, true});
    again_ += call.sent > 0;
    ++call.sent;
  }

  void repeat(int level, Clock::time_point now) {
    auto& waiting = timers_[static_cast<std::size_t>(level)];
    while (!waiting.empty() && waiting.front().due <= now) {
      const Timer timer = waiting.front();
      waiting.pop_front();
      const Call& call = calls_[timer.call];
      if (timer.bye ? call.state == Call::State::up : call.state == Call::State::inviting)
        timer.bye ? bye(timer.call, now) : invite(timer.call, now);
    }
  }

  void hear(std::string_view text, Clock::time_point now) {
    if (!text.starts_with("SIP/2.0 ")) return;
    const int status = std::atoi(text.data() + 8);
    const std::string_view call_id = header(text, "Call-ID: ");
    if (call_id.substr(std::min(call_id.size(), call_id.find('-')) + 1) != options_.run) return;
    const auto n = static_cast<std::uint32_t>(std::atol(std::string(call_id).c_str()));
    if (n >= calls_.size()) return;
    Call& call = calls_[n];
    const bool of_bye = header(text, "CSeq: ").ends_with("BYE");
    if (of_bye) {
      if (call.state != Call::State::up || status < 200) return;
      byes_.push_back(Seconds(now - call.bye).count() * 1e3);
      status == 200 ? ++ended_ : ++odd_;
      finish(call, now);
      return;
    }
    if (status < 200) {
      if (call.state == Call::State::inviting) call.state = Call::State::proceeding;
      return;
    }
    const std::string_view to = header(text, "To:");
    const std::string uri = "sip:" + options_.user + "@" + options_.target;
    if (status >= 300) {
      in_dialog(n, "ACK", 1, "i", to, uri);
      if (call.state == Call::State::over) return;
      ++refused_[status];
      if (status == 503) {
        const double ms = Seconds(now - call.began).count() * 1e3;
        refusals_.push_back(ms);
        without_retry_after_ += header(text, "Retry-After:").empty();
      }
      finish(call, now);
      return;
    }
    if (call.state == Call::State::inviting || call.state == Call::State::proceeding) {
      answers_.push_back(Seconds(now - call.began).count() * 1e3);
      call.state = Call::State::up;
      call.to = to;
      const std::string_view contact = header(text, "Contact:");
      const std::size_t begin = contact.find('<'), close = contact.find('>');
      call.contact = begin == contact.npos || close == contact.npos ? uri : contact.substr(begin + 1, close - begin - 1);
      in_dialog(n, "ACK", 1, "a", call.to, call.contact);
      call.sent = 0;
      call.bye = now;
      bye(n, now);
    } else {  // it has not heard our ACK
      ++again_heard_;
      in_dialog(n, "ACK", 1, "a", call.to.empty() ? to : std::string_view(call.to),
                call.contact.empty() ? std::string_view(uri) : std::string_view(call.contact));
    }
  }

  void finish(Call& call, Clock::time_point now) {
    call.state = Call::State::over;
    ++over_;
    last_ = now;
  }

  void send(std::string_view text) {
    if (out_count_ == kBatch) flush();
    std::memcpy(out_bytes_[out_count_].data(), text.data(), text.size());
    out_vectors_[out_count_] = {out_bytes_[out_count_].data(), text.size()};
    out_[out_count_].msg_hdr.msg_iov = &out_vectors_[out_count_];
    out_[out_count_].msg_hdr.msg_iovlen = 1;
    ++out_count_;
  }

  void flush() {
    std::size_t sent = 0;
    while (sent < out_count_) {
      const int count = sendmmsg(socket_, out_.data() + sent, static_cast<unsigned>(out_count_ - sent), 0);
      if (count > 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) {
        fail(std::strerror(errno));
      }
    }
    out_count_ = 0;
  }

  void print(std::uint32_t total) {
    for (auto* times : {&answers_, &refusals_, &byes_}) std::sort(times->begin(), times->end());
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    const auto slow = static_cast<long>(refusals_.end() - std::upper_bound(refusals_.begin(), refusals_.end(), 100.0));
    long others = 0;
    for (const auto& [status, count] : refused_) others += status == 503 ? 0 : count;
    std::printf("{\"rate\":%.0f,\"offered\":%u,\"answered\":%zu,\"ended\":%u,\"refused\":%zu,\"other\":%ld,\"silent\":%u,"
                "\"again\":%u,\"again_heard\":%u,\"seconds\":%.3f,\"answer_ms\":[%.1f,%.1f,%.1f],\"refuse_ms\":[%.1f,%.1f,%.1f],"
                "\"refused_after_100ms\":%ld,\"without_retry_after\":%u,\"bye_ms\":[%.1f,%.1f,%.1f],\"late_ms\":%.1f,\"cpu\":%.3f}\n",
                options_.rate, total, answers_.size(), ended_, refusals_.size(), others + odd_, total - over_, again_,
                again_heard_, took_, percentile(answers_, 0.5), percentile(answers_, 0.99), percentile(answers_, 1),
                percentile(refusals_, 0.5), percentile(refusals_, 0.99), percentile(refusals_, 1), slow, without_retry_after_,
                percentile(byes_, 0.5), percentile(byes_, 0.99), percentile(byes_, 1), Seconds(late_).count() * 1e3,
                seconds(used.ru_utime) + seconds(used.ru_stime));
  }

  const Options options_;
  int socket_ = -1;
  sockaddr_in to_{};
  std::string here_, sdp_;
  std::vector<Call> calls_;
  std::array<std::deque<Timer>, kLevels> timers_;
  std::uint32_t over_ = 0, ended_ = 0, odd_ = 0, again_ = 0, again_heard_ = 0, without_retry_after_ = 0;
  std::map<int, long> refused_;
  std::vector<double> answers_, refusals_, byes_;
  Clock::duration late_{};
  Clock::time_point last_ = Clock::now();
  double took_ = 0;
  std::array<std::array<char, kSize>, kBatch> in_bytes_, out_bytes_;
  std::array<iovec, kBatch> in_vectors_{}, out_vectors_{};
  std::array<mmsghdr, kBatch> in_{}, out_{};
  std::size_t out_count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return std::fprintf(stderr, "setups: %s wants a value\n", argv[i]), 2;
    const char* const value = argv[i + 1];
    if (name == "--target") options.target = value;
    else if (name == "--local") options.local = value;
    else if (name == "--user") options.user = value;
    else if (name == "--run") options.run = value;
    else if (name == "--rate") options.rate = std::atof(value);
    else if (name == "--secs") options.secs = std::atof(value);
    else if (name == "--patience") options.patience = std::atof(value);
    else return std::fprintf(stderr, "setups: unknown option %s\n", argv[i]), 2;
  }
  static Generator generator(options);
  generator.run();
}
