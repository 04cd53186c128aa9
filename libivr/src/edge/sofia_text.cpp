#include "edge/sofia_text.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace ivr {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

std::string_view payload(const sip_t* sip) {
  if (!sip || !sip->sip_payload || !sip->sip_payload->pl_data) return {};
  return {sip->sip_payload->pl_data, sip->sip_payload->pl_len};
}

std::string_view content_type(const sip_t* sip) {
  if (!sip || !sip->sip_content_type || !sip->sip_content_type->c_type) return {};
  return sip->sip_content_type->c_type;
}

// 0-9, *, #, A-D, or their event codes 10 to 15 (some gateways send those). 0: none of them.
char digit_of(std::string_view text) {
  text = trimmed(text);
  if (text.size() == 1) {
    const char c = text[0];
    if ((c >= '0' && c <= '9') || c == '*' || c == '#' || (c >= 'A' && c <= 'D')) return c;
    if (c >= 'a' && c <= 'd') return static_cast<char>(c - 'a' + 'A');
  }
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') return "*#ABCD"[text[1] - '0'];
  return 0;
}

// RFC 3261 section 25.1: letters, digits and `plain` as they are.
std::string escaped(std::string_view text, std::string_view plain) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        plain.find(c) != plain.npos) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    }
  }
  return out;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

std::string bracketed(const std::string& ip) {
  return ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
}

std::string escaped_user(std::string_view user) { return escaped(user, "-_.!~*'()&=+$,;?/"); }
std::string escaped_header(std::string_view value) { return escaped(value, "-_.!~*'()"); }

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      plain += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string url_text(const url_t* url) {
  if (!url) return {};
  char small[256];
  const issize_t length = url_e(small, sizeof small, url);
  if (length < 0) return {};
  if (static_cast<std::size_t>(length) < sizeof small) return {small, static_cast<std::size_t>(length)};
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  url_e(text.data(), static_cast<isize_t>(text.size()), url);
  text.pop_back();
  return text;
}

std::string decoded_user(const url_t* url) {
  return url && url->url_user ? unescaped(url->url_user) : std::string();
}

std::string display_text(const char* display) {
  if (!display) return {};
  const std::string_view text = trimmed(display);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string plain;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

std::string reason_text(const char* phrase) { return phrase ? phrase : ""; }

Address address_of(const su_sockaddr_t& at) {
  Address address;
  char text[INET6_ADDRSTRLEN] = "";
  if (at.su_family == AF_INET) {
    inet_ntop(AF_INET, &at.su_sin.sin_addr, text, sizeof text);
    address.port = ntohs(at.su_sin.sin_port);
  } else if (at.su_family == AF_INET6) {
    inet_ntop(AF_INET6, &at.su_sin6.sin6_addr, text, sizeof text);
    address.port = ntohs(at.su_sin6.sin6_port);
  }
  address.ip = text;
  return address;
}

Address address_of(msg_t* message) {
  const su_sockaddr_t* from = message ? msg_addr(message) : nullptr;
  return from ? address_of(*from) : Address();
}

std::optional<std::string> sdp_of(const sip_t* sip) {
  const std::string_view body = payload(sip);
  if (body.empty()) return std::nullopt;
  const std::string_view type = content_type(sip);
  if (type.empty() ? !body.starts_with("v=0") : !same_word(type, "application/sdp")) return std::nullopt;
  return std::string(body);
}

int refused_content(const sip_t* sip) {
  // A datagram cut off right behind its headers (RFC 3261 section 18.3); the library finds the other cuts
  // itself.
  if (sip->sip_content_length && sip->sip_content_length->l_length > payload(sip).size()) return 400;
  if (sip->sip_content_encoding) return 415;
  if (!payload(sip).empty() && !content_type(sip).empty() && !same_word(content_type(sip), "application/sdp"))
    return 415;
  if (!sip->sip_accept) return 0;
  for (const sip_accept_t* accept = sip->sip_accept; accept; accept = accept->ac_next) {
    // An empty Accept is legal and accepts nothing.
    const std::string_view type = accept->ac_type ? accept->ac_type : "";
    const bool never = accept->ac_q && std::strtod(accept->ac_q, nullptr) == 0.0;
    if (!never && (same_word(type, "application/sdp") || same_word(type, "application/*") || type == "*/*"))
      return 0;
  }
  return 406;
}

bool contains(const msg_param_t* items, std::string_view item) {
  for (; items && *items; ++items)
    if (same_word(*items, item)) return true;
  return false;
}

std::optional<Millis> retry_after_of(const sip_t* sip) {
  if (!sip || !sip->sip_retry_after) return std::nullopt;
  return std::chrono::seconds(std::min<unsigned long>(sip->sip_retry_after->af_delta, 86'400));
}

std::string unknown_header(const sip_t* sip, std::string_view name) {
  std::string all;
  for (const sip_unknown_t* each = sip ? sip->sip_unknown : nullptr; each; each = each->un_next) {
    if (!each->un_name || !each->un_value || !same_word(each->un_name, name)) continue;
    all.append(all.empty() ? "" : ",").append(each->un_value);
  }
  return all;
}

std::string auth_text(const msg_auth_t* header) {
  std::string text = header->au_scheme ? header->au_scheme : "";
  const char* separator = " ";
  for (const msg_param_t* each = header->au_params; each && *each; ++each, separator = ", ")
    text.append(separator).append(*each);
  return text;
}

InfoBody parse_info(const sip_t* sip, char& digit, Millis& duration) {
  const std::string_view type = content_type(sip);
  std::string_view body = payload(sip);
  duration = Millis(0);
  if (same_word(type, "application/dtmf")) {
    digit = digit_of(body);
    return digit ? InfoBody::digit : InfoBody::malformed;
  }
  if (!same_word(type, "application/dtmf-relay")) return InfoBody::other;
  digit = 0;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
    if (same_word(name, "signal")) {
      digit = digit_of(value);
    } else if (same_word(name, "duration")) {
      int ms = 0;
      if (std::from_chars(value.data(), value.data() + value.size(), ms).ec == std::errc() && ms >= 0)
        duration = Millis(std::min(ms, 60'000));
    }
  }
  return digit ? InfoBody::digit : InfoBody::malformed;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return line;
}

bool is_near(const std::string& ip) {
  in_addr v4{};
  if (inet_pton(AF_INET, ip.c_str(), &v4) != 1) return ip == "localhost" || ip == "::1";
  const std::uint32_t host = ntohl(v4.s_addr);
  if (host >> 24 == 127) return true;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return false;
  bool near = false;
  for (const ifaddrs* each = interfaces; each && !near; each = each->ifa_next) {
    if (!each->ifa_addr || !each->ifa_netmask || each->ifa_addr->sa_family != AF_INET) continue;
    const auto ours = ntohl(reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr.s_addr);
    const auto mask = ntohl(reinterpret_cast<const sockaddr_in*>(each->ifa_netmask)->sin_addr.s_addr);
    near = (host & mask) == (ours & mask);
  }
  freeifaddrs(interfaces);
  return near;
}

}  // namespace ivr
