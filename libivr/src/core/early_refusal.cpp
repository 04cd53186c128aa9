#include "core/early_refusal.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace ivr {
namespace {

constexpr std::uint16_t kSipPort = 5060;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool alike(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view bare(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the text up to `end` off the front, and `end` with it.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return taken;
}

bool has_tag(std::string_view to) {
  for (std::size_t at = 0; at + 3 <= to.size(); ++at) {
    if (!alike(to.substr(at, 3), "tag")) continue;
    const std::string_view behind = bare(to.substr(at + 3));
    if (behind.starts_with('=')) return true;
  }
  return false;
}

struct Headers {
  std::string_view via, from, to, call_id, cseq;  // via: the first of them
  std::string more_vias;                          // whole lines
};

// Nothing: cut off, folded, with a header that must not come twice, or not text.
std::optional<Headers> read_headers(std::string_view rest) {
  constexpr struct {
    std::string_view name, compact;
    std::string_view Headers::*value;
  } kWanted[] = {{"from", "f", &Headers::from},
                 {"to", "t", &Headers::to},
                 {"call-id", "i", &Headers::call_id},
                 {"cseq", "cseq", &Headers::cseq}};
  Headers headers;
  while (!rest.empty()) {
    if (rest.find('\n') == rest.npos) return std::nullopt;
    std::string_view line = take(rest, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return headers;
    if (line.front() == ' ' || line.front() == '\t') return std::nullopt;
    if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; }))
      return std::nullopt;
    std::string_view value = line;
    const std::string_view name = bare(take(value, ':'));
    value = bare(value);
    if (alike(name, "via") || alike(name, "v")) {
      if (value.empty()) return std::nullopt;
      if (headers.via.empty()) {
        headers.via = value;
      } else {
        headers.more_vias.append("Via: ").append(value).append("\r\n");
      }
    }
    for (const auto& wanted : kWanted) {
      if (!alike(name, wanted.name) && !alike(name, wanted.compact)) continue;
      if (value.empty() || !(headers.*wanted.value).empty()) return std::nullopt;
      headers.*wanted.value = value;
    }
  }
  return std::nullopt;
}

struct Hop {
  std::string via;  // with where it came from (RFC 3261, 18.2.1; RFC 3581, 4)
  std::uint16_t port = kSipPort;
};

std::optional<Hop> hop_of(std::string_view via, const Address& source) {
  if (via.find('"') != via.npos) return std::nullopt;
  std::string_view others = via;
  std::string_view parameters = take(others, ',');
  std::string_view sent = take(parameters, ';');
  const std::string_view protocol = take(sent, ' ');
  sent = bare(sent);
  if (!alike(protocol, "SIP/2.0/UDP") || sent.empty() || sent.find_first_of(" \t") != sent.npos)
    return std::nullopt;
  Hop hop;
  std::string_view host = sent;
  const std::size_t bracket = sent.rfind(']'), colon = sent.rfind(':');
  if (colon != sent.npos && (bracket == sent.npos || colon > bracket)) {
    host = sent.substr(0, colon);
    const std::string_view port = sent.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), hop.port);
    if (error != std::errc() || end != port.data() + port.size() || hop.port == 0) return std::nullopt;
  }
  hop.via = std::string(protocol) + " " + std::string(sent);
  bool told = host != source.ip, branch = false;
  while (!parameters.empty()) {
    std::string_view each = bare(take(parameters, ';'));
    std::string_view name = each;
    name = bare(take(name, '='));
    if (alike(name, "maddr") || alike(name, "received")) return std::nullopt;
    branch = branch || alike(name, "branch");
    if (alike(name, "rport")) {
      told = true;
      hop.port = source.port;
      hop.via += ";rport=" + std::to_string(source.port);
    } else if (!each.empty()) {
      hop.via.append(";").append(each);
    }
  }
  if (!branch) return std::nullopt;
  if (told) hop.via += ";received=" + source.ip;
  if (others = bare(others); !others.empty()) hop.via.append(", ").append(others);
  return hop;
}

// The URI of a From.
std::string_view uri_in(std::string_view header) {
  const std::size_t open = header.rfind('<');
  if (open == header.npos) return bare(take(header, ';'));
  header.remove_prefix(open + 1);
  return take(header, '>');
}

// FNV-1a. The same INVITE again has the same tag (RFC 3261, 8.2.7).
std::string mark_of(const Headers& headers) {
  std::uint64_t sum = 14695981039346656037u;
  for (const std::string_view text : {headers.call_id, headers.from})
    for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211u;
  char text[17] = "";
  const auto [end, error] = std::to_chars(text, text + 16, sum, 16);
  return {text, end};
}

}  // namespace

EarlyRefusal::EarlyRefusal(const EarlyRefusalOptions& options, std::string secret)
    : options_(options), secret_(std::move(secret)) {}

std::optional<EarlyRefusal::Reply> EarlyRefusal::refuse(std::string_view first, std::string_view rest,
                                                        const Address& source) const {
  first = bare(first);
  if (!first.starts_with("INVITE ") || !first.ends_with(" SIP/2.0")) return std::nullopt;
  const auto headers = read_headers(rest);
  if (!headers || headers->via.empty() || headers->from.empty() || headers->to.empty() ||
      headers->call_id.empty() || !headers->cseq.ends_with("INVITE") || has_tag(headers->to))
    return std::nullopt;
  const auto hop = hop_of(headers->via, source);
  if (!hop) return std::nullopt;
  Reply reply;
  reply.port = hop->port;
  std::string& text = reply.text;
  text.reserve(512 + headers->more_vias.size());
  text.append("SIP/2.0 503 Service Unavailable\r\nVia: ").append(hop->via).append("\r\n");
  text.append(headers->more_vias);
  text.append("From: ").append(headers->from).append("\r\nTo: ").append(headers->to);
  text.append(";tag=").append(secret_).append(mark_of(*headers));
  text.append("\r\nCall-ID: ").append(headers->call_id).append("\r\nCSeq: ").append(headers->cseq);
  const auto seconds = (options_.retry_after.count() + 999) / 1000;
  reply.from = uri_in(headers->from);
  std::string_view called = first.substr(sizeof "INVITE " - 1);
  called = take(called, ' ');
  (void)take(called, ':');
  if (called.find('@') != called.npos) reply.to = take(called, '@');
  text.append("\r\nRetry-After: ").append(std::to_string(seconds)).append("\r\nContent-Length: 0\r\n\r\n");
  return reply;
}

bool EarlyRefusal::acknowledges(std::string_view first, std::string_view rest) const {
  return first.starts_with("ACK ") && rest.find(";tag=" + secret_) != rest.npos;
}

}  // namespace ivr
