#include "trace.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

namespace {

constexpr std::size_t kMaxMessage = 65'536;  // SIP over TCP
constexpr std::size_t kMaxHeld = 64;         // TCP segments that wait for one before them

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trim(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

template <class N>
std::optional<N> number(std::string_view text) {
  N value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// "INVITE sip:2001@example.com SIP/2.0", "SIP/2.0 200 OK", "GET /balance/1001 HTTP/1.1"
struct FirstLine {
  int status = 0;
  std::string_view method, target, reason;
};

std::optional<FirstLine> first_line(std::string_view line, std::string_view protocol) {
  FirstLine first;
  const auto space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  if (line.starts_with(protocol)) {
    const auto status = number<int>(line.substr(space + 1));
    if (!status || *status < 100 || *status > 699) return std::nullopt;
    first.status = *status;
    first.reason = trim(line.substr(std::min(line.size(), space + 4)));
    return first;
  }
  const auto last = line.rfind(' ');
  if (last == space || !line.substr(last + 1).starts_with(protocol)) return std::nullopt;
  first.method = line.substr(0, space);
  first.target = trim(line.substr(space + 1, last - space - 1));
  if (first.method.size() > 32 || !std::all_of(first.method.begin(), first.method.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      }))
    return std::nullopt;
  return first;
}

std::string long_name(std::string_view name) {  // RFC 3261, 7.3.3 and 20; RFC 4028, 4
  constexpr std::array<std::pair<char, const char*>, 9> kCompact = {{{'i', "call-id"},
                                                                     {'f', "from"},
                                                                     {'t', "to"},
                                                                     {'v', "via"},
                                                                     {'m', "contact"},
                                                                     {'c', "content-type"},
                                                                     {'l', "content-length"},
                                                                     {'k', "supported"},
                                                                     {'x', "session-expires"}}};
  std::string out = lower(trim(name));
  if (out.size() != 1) return out;
  for (const auto& [letter, full] : kCompact) {
    if (out[0] == letter) return full;
  }
  return out;
}

std::string tag_of(std::string_view value) {
  // Behind the angle brackets a parameter is the header's, within them the URI's (RFC 3261, 20.10).
  const auto bracket = value.rfind('>');
  if (bracket != std::string_view::npos) value.remove_prefix(bracket);
  const auto at = lower(value).find(";tag=");
  if (at == std::string::npos) return "";
  value.remove_prefix(at + 5);
  return std::string(trim(value.substr(0, value.find_first_of(";, \t"))));
}

std::string address_of_record(std::string_view value) {
  const auto open = value.find('<');
  if (open != std::string_view::npos) {
    value.remove_prefix(open + 1);
    value = value.substr(0, value.find('>'));
  }
  return std::string(trim(value.substr(0, value.find(';'))));
}

// Header lines up to the empty one; `text` is what is behind it. Folded lines are joined (RFC 3261, 7.3.1).
std::vector<std::pair<std::string, std::string>> read_headers(std::string_view& text) {
  std::vector<std::pair<std::string, std::string>> headers;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    if ((line[0] == ' ' || line[0] == '\t') && !headers.empty()) {
      headers.back().second += ' ';
      headers.back().second += trim(line);
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || headers.size() >= 256) continue;
    headers.emplace_back(long_name(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  return headers;
}

std::optional<SipMessage> parse_sip(std::string_view text) {
  while (text.starts_with('\r') || text.starts_with('\n')) text.remove_prefix(1);  // keep-alives
  const auto first = first_line(take_line(text), "SIP/2.0");
  if (!first) return std::nullopt;
  SipMessage m;
  m.status = first->status;
  m.method = first->method;
  m.uri = first->target;
  m.reason = first->reason;
  m.headers = read_headers(text);
  m.body = text;
  m.call_id = m.header("call-id");
  const std::string_view cseq = m.header("cseq");
  m.cseq = number<std::uint32_t>(cseq).value_or(0);
  if (!m.request()) m.method = trim(cseq.substr(std::min(cseq.find(' '), cseq.size())));
  m.from_tag = tag_of(m.header("from"));
  m.to_tag = tag_of(m.header("to"));
  m.from = address_of_record(m.header("from"));
  if (m.call_id.empty()) return std::nullopt;
  return m;
}

// One direction of a TCP connection, put in order. What was lost in the capture is jumped over.
class ByteStream {
 public:
  // Bytes that follow, or nothing yet.
  void add(const Packet& packet) {
    if (!started_) next_ = packet.sequence;
    started_ = true;
    held_[packet.sequence] = packet.payload;
    if (bytes_.size() > 4 * kMaxMessage) bytes_.clear();  // not a protocol that is read here
    drain();
    if (held_.size() > kMaxHeld) {
      next_ = held_.begin()->first;
      bytes_.clear();
      drain();
    }
  }

  std::optional<SipMessage> take_sip() {
    const auto start = bytes_.find_first_not_of("\r\n");
    bytes_.erase(0, std::min(start, bytes_.size()));
    const auto head = bytes_.find("\r\n\r\n");
    if (head == std::string::npos) {
      if (bytes_.size() > kMaxMessage) bytes_.clear();
      return std::nullopt;
    }
    auto message = parse_sip(std::string_view(bytes_).substr(0, head + 4));
    if (!message) {  // not SIP, or we came in the middle
      bytes_.erase(0, head + 4);
      return std::nullopt;
    }
    const std::size_t length = std::min<std::size_t>(
        number<std::uint32_t>(message->header("content-length")).value_or(0), kMaxMessage);
    if (bytes_.size() < head + 4 + length) return std::nullopt;
    message->body = bytes_.substr(head + 4, length);
    bytes_.erase(0, head + 4 + length);
    return message;
  }

 private:
  void drain() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (auto it = held_.begin(); it != held_.end();) {
        const auto ahead = static_cast<std::int32_t>(it->first - next_);
        if (ahead > 0) {
          ++it;
          continue;
        }
        const std::size_t known = static_cast<std::size_t>(-std::int64_t{ahead});
        if (known < it->second.size()) {
          bytes_.append(text_of(it->second.subspan(known)));
          next_ += static_cast<std::uint32_t>(it->second.size() - known);
          moved = true;
        }
        it = held_.erase(it);
      }
    }
  }

  bool started_ = false;
  std::uint32_t next_ = 0;
  std::map<std::uint32_t, std::span<const std::uint8_t>> held_;
  std::string bytes_;
};

using Flow = std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>;

Flow flow_of(const ivr::Address& from, const ivr::Address& to) {
  return {from.ip, from.port, to.ip, to.port};
}

class Reader {
 public:
  explicit Reader(Trace& trace) : trace_(trace) {}

  void read(const Packet& packet) {
    if (packet.tcp) {
      if (!read_http(packet)) read_tcp(packet);
    } else if (!read_udp(packet)) {
      RtpPacket rtp{.packet = &packet};
      // RTCP's types fall on 72 to 76 (RFC 5761, 4).
      if (ivr::parse_rtp(packet.payload, rtp.frame) == ivr::RtpParse::ok &&
          (rtp.frame.header.payload_type < 72 || rtp.frame.header.payload_type > 76))
        trace_.rtp.push_back(rtp);
    }
  }

 private:
  bool read_udp(const Packet& packet) {
    auto message = parse_sip(text_of(packet.payload));
    if (!message) return false;
    add(*std::move(message), packet);
    return true;
  }

  void read_tcp(const Packet& packet) {
    ByteStream& stream = streams_[flow_of(packet.source, packet.destination)];
    stream.add(packet);
    while (auto message = stream.take_sip()) add(*std::move(message), packet);
  }

  // A client sends the head of a request in one piece, and so does a server its answer; the bodies are not
  // needed.
  bool read_http(const Packet& packet) {
    std::string_view text = text_of(packet.payload);
    const auto first = first_line(take_line(text), "HTTP/1.");
    if (!first) return false;
    if (first->status == 0) {
      HttpExchange exchange{.at = packet.at, .client = packet.source, .server = packet.destination};
      exchange.method = first->method;
      exchange.target = first->target;
      for (const auto& [name, value] : read_headers(text)) {
        if (name == "host") exchange.host = value;
      }
      open_[flow_of(packet.source, packet.destination)] = trace_.http.size();
      trace_.http.push_back(std::move(exchange));
    } else if (first->status >= 200) {
      const auto request = open_.find(flow_of(packet.destination, packet.source));
      if (request != open_.end()) {
        trace_.http[request->second].status = first->status;
        open_.erase(request);
      }
    }
    return true;
  }

  void add(SipMessage message, const Packet& packet) {
    message.at = packet.at;
    message.source = packet.source;
    message.destination = packet.destination;
    trace_.sip.push_back(std::move(message));
  }

  Trace& trace_;
  std::map<Flow, ByteStream> streams_;
  std::map<Flow, std::size_t> open_;  // requests without an answer, as places in trace_.http
};

}  // namespace

std::string_view SipMessage::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

bool SipMessage::has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
}

Trace read_trace(const Capture& capture) {
  Trace trace;
  // Two network cards deliver to one file in nearly the order of time.
  std::vector<const Packet*> order;
  order.reserve(capture.packets().size());
  for (const Packet& p : capture.packets()) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(),
                   [](const Packet* a, const Packet* b) { return a->at < b->at; });
  if (!order.empty()) {
    trace.begin = order.front()->at;
    trace.end = order.back()->at;
  }
  Reader reader(trace);
  for (const Packet* p : order) reader.read(*p);
  return trace;
}
