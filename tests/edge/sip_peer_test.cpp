#include "edge/sip_peer.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>

// The helpers of the other SIP tests, and tests of them.

namespace ivr::test {

using namespace std::chrono_literals;

Station::Station(SipOptions options, const EarlyRefusalOptions& early_refusal) : sip_(early_refusal) {
  options.port = 0;
  const absl::Status started = sip_.start(options, [this](const sip::Event& event) {
    events.push_back(event);
    if (react) react(event);
  });
  EXPECT_TRUE(started.ok()) << started;
}

std::string Station::uri(std::string_view user, std::string_view parameters) const {
  return "sip:" + std::string(user) + "@127.0.0.1:" + std::to_string(sip_.local_address().port) +
         std::string(parameters);
}

bool Station::in_order() const {
  std::set<LegId> over;
  for (const sip::Event& each : events) {
    const auto leg = std::visit(
        [](const auto& event) -> std::optional<LegId> {
          if constexpr (requires { event.leg; })
            return event.leg;
          else
            return std::nullopt;  // not of a call
        },
        each);
    if (!leg) continue;
    if (*leg == 0 || over.contains(*leg)) return false;
    if (std::holds_alternative<sip::Ended>(each)) over.insert(*leg);
  }
  return true;
}

bool pump(std::initializer_list<Station*> stations, const std::function<bool()>& done,
          std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    for (Station* station : stations) (*station)->run(1ms);
  }
  return true;
}

Call establish(Station& caller, Station& callee, std::string_view parameters) {
  const int before = callee.count<sip::Established>(), invited = callee.count<sip::Invited>();
  Call call;
  call.caller = caller->invite({.uri = callee.uri("ivr", parameters), .sdp = kOffer});
  EXPECT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Invited>() > invited; }));
  if (const auto* there = callee.last<sip::Invited>()) call.callee = there->leg;
  callee->answer(call.callee, kAnswer);
  EXPECT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Established>() > before; }));
  return call;
}

RawPeer::RawPeer(Kind kind, const Address& to, const Address& from) : kind_(kind) {
  socket_ = socket(AF_INET, kind == Kind::udp ? SOCK_DGRAM : SOCK_STREAM, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to_ = here;
  to_.sin_port = htons(to.port);
  inet_pton(AF_INET, from.ip.c_str(), &here.sin_addr);
  here.sin_port = htons(from.port);
  EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
  if (kind == Kind::tcp) {
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&to_), sizeof to_), 0);
  }
  socklen_t length = sizeof here;
  getsockname(socket_, reinterpret_cast<sockaddr*>(&here), &length);
  port_ = ntohs(here.sin_port);
  fcntl(socket_, F_SETFL, O_NONBLOCK);
}

RawPeer::~RawPeer() { close(socket_); }

bool RawPeer::send(std::string_view bytes) {
  if (kind_ == Kind::udp)
    return sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to_), sizeof to_) ==
           static_cast<ssize_t>(bytes.size());
  return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

std::optional<std::string> RawPeer::receive() {
  char buffer[65'536];
  const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
  if (got == 0 && kind_ == Kind::tcp) closed_ = true;
  if (got > 0 && kind_ == Kind::udp) {
    heard_.emplace_back(buffer, static_cast<std::size_t>(got));
    return heard_.back();
  }
  if (got > 0) stream_.append(buffer, static_cast<std::size_t>(got));
  const std::size_t end = stream_.find("\r\n\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::string length = header_of(stream_.substr(0, end + 4), "Content-Length");
  const std::size_t whole = end + 4 + (length.empty() ? 0 : std::stoul(length));
  if (stream_.size() < whole) return std::nullopt;
  heard_.push_back(stream_.substr(0, whole));
  stream_.erase(0, whole);
  return heard_.back();
}

std::optional<std::string> RawPeer::wait(std::initializer_list<Station*> stations,
                                         const std::function<bool(const std::string&)>& done,
                                         std::chrono::milliseconds limit) {
  std::optional<std::string> found;
  pump(
      stations,
      [&] {
        while (auto message = receive()) {
          if (!done(*message)) continue;
          found = std::move(message);
          return true;
        }
        if (stations.size() == 0) {
          pollfd wait{socket_, POLLIN, 0};
          poll(&wait, 1, 10);
        }
        return closed_;
      },
      limit);
  return found;
}

std::optional<std::string> RawPeer::wait_status(std::initializer_list<Station*> stations, int status,
                                                std::chrono::milliseconds limit) {
  return wait(
      stations, [status](const std::string& message) { return status_of(message) == status; }, limit);
}

RawDialog::RawDialog(const RawPeer& peer, std::string uri) : target(std::move(uri)), port(peer.port()) {
  static std::atomic<int> next{0};
  const int n = ++next;
  call_id = "call-" + std::to_string(n) + "-" + std::to_string(port);
  tag = "t" + std::to_string(n);
}

std::string RawDialog::request(std::string_view method, std::string_view extra, std::string_view body,
                               std::string_view type, int with_cseq) {
  static std::atomic<int> branches{0};
  if (with_cseq == 0) with_cseq = ++cseq;
  const std::string here = "127.0.0.1:" + std::to_string(port);
  std::string text(method);
  text += " " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + here + ";rport;branch=z9hG4bK-" +
          std::to_string(++branches) + tag + "\r\nMax-Forwards: 70\r\nFrom: <sip:caller@" + here +
          ">;tag=" + tag + "\r\nTo: <" + target + ">" + (to_tag.empty() ? "" : ";tag=" + to_tag) +
          "\r\nCall-ID: " + call_id + "\r\nCSeq: " + std::to_string(with_cseq) + " " + std::string(method) +
          "\r\n";
  text += contact.empty() ? "Contact: <sip:caller@" + here + ">\r\n" : contact;
  text += extra;
  if (!body.empty()) text += "Content-Type: " + std::string(type) + "\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  return text;
}

void RawDialog::join(std::string_view reply) {
  const std::string to = header_of(reply, "To");
  const std::size_t at = to.find("tag=");
  ASSERT_NE(at, std::string::npos) << reply;
  to_tag = to.substr(at + 4, to.find(';', at) - at - 4);
}

std::string reply_to(std::string_view request, int status, std::string_view extra, std::string_view body) {
  std::string text = "SIP/2.0 " + std::to_string(status) + " Test\r\nVia: " + header_of(request, "Via") +
                     "\r\nFrom: " + header_of(request, "From") + "\r\nTo: " + header_of(request, "To");
  if (header_of(request, "To").find("tag=") == std::string::npos && status > 100) text += ";tag=peer";
  text +=
      "\r\nCall-ID: " + header_of(request, "Call-ID") + "\r\nCSeq: " + header_of(request, "CSeq") + "\r\n";
  text += extra;
  if (!body.empty()) text += "Content-Type: application/sdp\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

int status_of(std::string_view message) {
  if (!message.starts_with("SIP/2.0 ") || message.size() < 11) return 0;
  return std::stoi(std::string(message.substr(8, 3)));
}

std::string header_of(std::string_view message, std::string_view name) {
  const std::string_view head = message.substr(0, message.find("\r\n\r\n"));
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    const std::size_t colon = line.find(':');
    if (colon == name.size() && std::equal(name.begin(), name.end(), line.begin(),
                                           [](char a, char b) { return (a | 0x20) == (b | 0x20); })) {
      const std::size_t value = line.find_first_not_of(" \t", colon + 1);
      return value == std::string_view::npos ? "" : std::string(line.substr(value));
    }
    at = head.find("\r\n", at);
  }
  return "";
}

std::string replaced(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [from, to] : values)
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  return text;
}

TEST(SipPeer, FindsHeadersWhateverTheirCase) {
  const std::string message = "SIP/2.0 405 No\r\nALLOW: INVITE\r\ncontent-length:0\r\n\r\nAllow: x\r\n";
  EXPECT_EQ(status_of(message), 405);
  EXPECT_EQ(header_of(message, "Allow"), "INVITE");
  EXPECT_EQ(header_of(message, "Content-Length"), "0");
  EXPECT_EQ(header_of(message, "Accept"), "");
}

}  // namespace ivr::test
