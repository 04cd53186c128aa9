#pragma once
#include <netinet/in.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "edge/sofia_sip.hpp"

// What the tests of the SIP edge talk with: a stack that remembers its events, and a peer that sends bytes.

namespace ivr::test {

inline constexpr char kOffer[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n";
inline constexpr char kAnswer[] =
    "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9002 RTP/AVP 0\r\n";
inline constexpr char kHold[] =
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n"
    "a=sendonly\r\n";

// Sessions that nobody refreshes end soon (RFC 4028).
inline SipOptions short_sessions() {
  return {.t1 = 50ms, .t1x64 = 3200ms, .session_expires = 3s, .min_se = 2s};
}

// A stack with its events in a list. Reactions run inside the sink, as an engine's would.
class Station {
 public:
  explicit Station(SipOptions options = {.t1 = 100ms, .t1x64 = 6400ms},
                   const EarlyRefusalOptions& early_refusal = {});

  SofiaSip& operator*() { return sip_; }
  SofiaSip* operator->() { return &sip_; }
  std::string uri(std::string_view user = "ivr", std::string_view parameters = "") const;

  std::vector<sip::Event> events;
  std::function<void(const sip::Event&)> react;  // after the event was noted

  template <class Event>
  const Event* last() const {
    for (auto each = events.rbegin(); each != events.rend(); ++each)
      if (const auto* event = std::get_if<Event>(&*each)) return event;
    return nullptr;
  }
  template <class Event>
  int count() const {
    int n = 0;
    for (const sip::Event& each : events) n += std::holds_alternative<Event>(each);
    return n;
  }

  // Every leg has at most one Ended, and nothing after it.
  bool in_order() const;

 private:
  SofiaSip sip_;
};

// Steps all stations until `done`, at most `limit`. Returns done().
bool pump(std::initializer_list<Station*> stations, const std::function<bool()>& done,
          std::chrono::milliseconds limit = std::chrono::seconds(5));

// A call between two stations, up on both sides.
struct Call {
  LegId caller = 0, callee = 0;
};
Call establish(Station& caller, Station& callee, std::string_view parameters = "");

// A socket on 127.0.0.1 that sends and receives what it is told.
class RawPeer {
 public:
  enum class Kind { udp, tcp };
  // `from`: an address of 127/8 to send from; port 0 is any.
  RawPeer(Kind kind, const Address& to, const Address& from = {"127.0.0.1", 0});
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool send(std::string_view bytes);
  std::optional<std::string> receive();  // what is there now
  // Everything that comes until `done` says yes to one message or the limit passes; stations run meanwhile.
  std::optional<std::string> wait(std::initializer_list<Station*> stations,
                                  const std::function<bool(const std::string&)>& done,
                                  std::chrono::milliseconds limit = std::chrono::seconds(3));
  std::optional<std::string> wait_status(std::initializer_list<Station*> stations, int status,
                                         std::chrono::milliseconds limit = std::chrono::seconds(3));
  bool closed() const { return closed_; }
  std::uint16_t port() const { return port_; }
  const std::vector<std::string>& heard() const { return heard_; }

 private:
  Kind kind_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  sockaddr_in to_{};
  bool closed_ = false;
  std::string stream_;
  std::vector<std::string> heard_;
};

// Requests of one dialog, written by hand.
struct RawDialog {
  std::string target, call_id, tag, to_tag;
  std::uint16_t port = 0;
  int cseq = 0;
  std::string contact;  // whole header lines; empty: a good one

  RawDialog(const RawPeer& peer, std::string uri);
  void join(std::string_view reply);  // takes the To tag of a 200
  std::string request(std::string_view method, std::string_view extra = "", std::string_view body = "",
                      std::string_view type = "application/sdp", int with_cseq = 0);
};

// A response to `request`, with a To tag of its own.
std::string reply_to(std::string_view request, int status, std::string_view extra,
                     std::string_view body = "");

int status_of(std::string_view message);                                 // 0: no response
std::string header_of(std::string_view message, std::string_view name);  // the first of that name
std::string replaced(std::string text, const std::map<std::string, std::string>& values);

}  // namespace ivr::test
