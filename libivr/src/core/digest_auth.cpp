#include "core/digest_auth.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/sha256.hpp"

namespace ivr {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b,
                            [](char x, char y) { return absl::ascii_tolower(x) == absl::ascii_tolower(y); });
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void skip_space(std::string_view& rest) {
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
}

// A token, or what is within quotes with its escapes resolved.
std::optional<std::string> take_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    while (!rest.empty() && rest.front() != ',' && !is_space(rest.front())) {
      if (rest.front() == '"') return std::nullopt;
      value += rest.front();
      rest.remove_prefix(1);
    }
    return value;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return value;
    }
    if (rest[i] == '\\' && ++i == rest.size()) break;
    value += rest[i];
  }
  return std::nullopt;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') continue;  // nothing may begin a line of its own
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

std::string hex(std::uint64_t value, int digits) {
  std::string out(static_cast<std::size_t>(digits), '0');
  for (auto each = out.rbegin(); each != out.rend(); ++each, value >>= 4)
    *each = "0123456789abcdef"[value & 15];
  return out;
}

std::optional<std::uint64_t> from_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view each = list.substr(0, end);
    while (!each.empty() && is_space(each.front())) each.remove_prefix(1);
    while (!each.empty() && is_space(each.back())) each.remove_suffix(1);
    if (same_word(each, word)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

std::string response(HashHex hash, std::string_view secret, std::string_view method,
                     const DigestFields& with) {
  std::string request(method);
  request.append(":").append(with.uri);
  std::string text(secret);
  text.append(":").append(with.nonce);
  if (!with.qop.empty())
    text.append(":").append(with.nc).append(":").append(with.cnonce).append(":").append(with.qop);
  text.append(":").append(hash(request));
  return hash(text);
}

std::string secret_of(HashHex hash, std::string_view user, std::string_view realm,
                      std::string_view password) {
  std::string text(user);
  text.append(":").append(realm).append(":").append(password);
  return hash(text);
}

// As long for any two texts of one length.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

constexpr int kInstantDigits = 16, kNumberDigits = 8;
constexpr std::size_t kStamp = kInstantDigits + kNumberDigits, kSignature = 32;

}  // namespace

std::optional<DigestFields> parse_digest(std::string_view header) {
  constexpr std::pair<std::string_view, std::string DigestFields::*> kFields[] = {
      {"realm", &DigestFields::realm},   {"nonce", &DigestFields::nonce},
      {"opaque", &DigestFields::opaque}, {"algorithm", &DigestFields::algorithm},
      {"qop", &DigestFields::qop},       {"username", &DigestFields::username},
      {"uri", &DigestFields::uri},       {"response", &DigestFields::response},
      {"cnonce", &DigestFields::cnonce}, {"nc", &DigestFields::nc},
  };
  std::array<bool, std::size(kFields)> seen{};
  skip_space(header);
  if (header.size() < 7 || !same_word(header.substr(0, 6), "digest") || !is_space(header[6]))
    return std::nullopt;
  header.remove_prefix(7);
  DigestFields fields;
  for (;;) {
    while (!header.empty() && (is_space(header.front()) || header.front() == ',')) header.remove_prefix(1);
    if (header.empty()) return fields;
    const std::size_t equals = header.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view name = header.substr(0, equals);
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    header.remove_prefix(equals + 1);
    skip_space(header);
    std::optional<std::string> value = take_value(header);
    skip_space(header);
    if (name.empty() || !value || (!header.empty() && header.front() != ',')) return std::nullopt;
    if (same_word(name, "stale")) fields.stale = same_word(*value, "true");
    const auto field =
        std::ranges::find_if(kFields, [&](const auto& each) { return same_word(each.first, name); });
    if (field == std::end(kFields)) continue;
    if (std::exchange(seen[static_cast<std::size_t>(field - std::begin(kFields))], true)) return std::nullopt;
    fields.*field->second = *std::move(value);
  }
}

std::optional<std::string> answer_digest(const DigestFields& challenge, const DigestClient& client,
                                         HashHex md5) {
  const bool sha256 = same_word(challenge.algorithm, "SHA-256");
  if (!sha256 && (!md5 || !(challenge.algorithm.empty() || same_word(challenge.algorithm, "MD5"))))
    return std::nullopt;
  DigestFields mine;
  mine.uri = client.uri;
  mine.nonce = challenge.nonce;
  if (!challenge.qop.empty()) {
    if (!lists(challenge.qop, "auth")) return std::nullopt;
    mine.qop = "auth";
    mine.nc = hex(client.uses, 8);
    mine.cnonce = client.cnonce;
  }
  const HashHex hash = sha256 ? sha256_hex : md5;
  const std::string secret = secret_of(hash, client.user, challenge.realm, client.password);
  std::string text = "Digest username=" + in_quotes(client.user) + ", realm=" + in_quotes(challenge.realm) +
                     ", nonce=" + in_quotes(challenge.nonce) + ", uri=" + in_quotes(client.uri) +
                     ", response=\"" + response(hash, secret, client.method, mine) + "\"";
  if (!challenge.algorithm.empty()) text += sha256 ? ", algorithm=SHA-256" : ", algorithm=MD5";
  if (!challenge.opaque.empty()) text += ", opaque=" + in_quotes(challenge.opaque);
  if (!mine.qop.empty()) text += ", qop=auth, nc=" + mine.nc + ", cnonce=" + in_quotes(mine.cnonce);
  return text;
}

absl::StatusOr<DigestServer> DigestServer::create(const DigestServerOptions& options) {
  if (options.realm.empty() || options.realm.find_first_of("\"\\\r\n") != std::string::npos)
    return absl::InvalidArgumentError("SIP: the realm '" + options.realm + "' is empty or has quotes in it");
  if (options.key.size() < 16) return absl::InvalidArgumentError("SIP: a digest key has at least 16 bytes");
  if (options.nonce_life < 1s || options.nonces == 0)
    return absl::InvalidArgumentError("SIP: a nonce lives at least 1 s, and at least one is remembered");
  DigestServer server(options);
  for (const SipUser& user : options.users) {
    if (user.user.empty() || user.user.find(':') != std::string::npos)
      return absl::InvalidArgumentError("SIP: '" + user.user +
                                        "' is no user's name: it is empty or has a ':'");
    if (user.password.empty())
      return absl::InvalidArgumentError("SIP: the user '" + user.user + "' has no password");
    Secret secret{secret_of(sha256_hex, user.user, options.realm, user.password),
                  options.md5 ? secret_of(options.md5, user.user, options.realm, user.password) : ""};
    if (!server.secrets_.emplace(user.user, std::move(secret)).second)
      return absl::InvalidArgumentError("SIP: the user '" + user.user + "' is there twice");
  }
  server.options_.users.clear();  // only what the passwords become is needed
  return server;
}

std::string DigestServer::sign(std::string_view what) const {
  return hmac_sha256_hex(options_.key, what).substr(0, kSignature);
}

std::vector<std::string> DigestServer::challenges(Time now, bool stale) {
  const auto instant = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.time_since_epoch().count()));
  const std::string stamp = hex(instant, kInstantDigits) + hex(++made_, kNumberDigits);
  const std::string rest =
      ", nonce=\"" + stamp + sign("nonce:" + stamp) + "\"" + (stale ? ", stale=true" : "") + ", algorithm=";
  std::vector<std::string> all;
  for (const char* algorithm : {"SHA-256", "MD5"}) {
    if (!options_.md5 && algorithm == std::string_view("MD5")) continue;
    all.push_back("Digest realm=\"" + options_.realm + "\", qop=\"auth\"" + rest + algorithm);
  }
  return all;
}

bool DigestServer::has_user(std::string_view user) const { return secrets_.contains(std::string(user)); }

DigestServer::Verdict DigestServer::verify(const DigestFields& credentials, std::string_view method,
                                           Time now) {
  const bool sha256 = same_word(credentials.algorithm, "SHA-256");
  if (!sha256 &&
      (!options_.md5 || !(credentials.algorithm.empty() || same_word(credentials.algorithm, "MD5"))))
    return Verdict::wrong;
  const HashHex hash = sha256 ? sha256_hex : options_.md5;
  const std::optional<std::uint64_t> count = from_hex(credentials.nc);
  if (credentials.realm != options_.realm || credentials.qop != "auth" || credentials.nc.size() != 8 ||
      !count || credentials.cnonce.empty())
    return Verdict::wrong;

  const auto known = secrets_.find(credentials.username);
  const std::string decoy = hmac_sha256_hex(options_.key, "user:" + credentials.username);
  const std::string& secret = known == secrets_.end() ? decoy
                              : sha256                ? known->second.sha256
                                                      : known->second.md5;
  std::string given = credentials.response;
  std::ranges::transform(given, given.begin(), absl::ascii_tolower);
  const bool right = equal_in_constant_time(given, response(hash, secret, method, credentials));
  if (!right || known == secrets_.end()) return Verdict::wrong;
  return fresh(credentials, static_cast<std::uint32_t>(*count), now) ? Verdict::right : Verdict::stale;
}

bool DigestServer::fresh(const DigestFields& credentials, std::uint32_t count, Time now) {
  const std::string& nonce = credentials.nonce;
  if (nonce.size() != kStamp + kSignature) return false;
  const std::string_view stamp = std::string_view(nonce).substr(0, kStamp);
  if (!equal_in_constant_time(std::string_view(nonce).substr(kStamp), sign("nonce:" + std::string(stamp))))
    return false;
  const auto instant = from_hex(stamp.substr(0, kInstantDigits));
  const Time made{Micros(static_cast<std::int64_t>(instant.value_or(0)))};
  if (now - made > options_.nonce_life || nonce <= forgotten_) return false;

  while (!uses_.empty()) {  // those that are too old anyway
    const auto oldest = from_hex(std::string_view(uses_.begin()->first).substr(0, kInstantDigits));
    if (now - Time{Micros(static_cast<std::int64_t>(*oldest))} <= options_.nonce_life) break;
    uses_.erase(uses_.begin());
  }
  const auto [use, first] = uses_.try_emplace(nonce, count);
  if (!first && count <= use->second) return false;
  use->second = count;
  if (uses_.size() > options_.nonces) {
    forgotten_ = uses_.begin()->first;
    uses_.erase(uses_.begin());
  }
  return true;
}

void FailureLimit::turn(Time now) {
  constexpr Millis kHalf = 30s;
  constexpr std::size_t kMost = 4096;
  if (now - turned_ < kHalf && now_.size() < kMost) return;
  if (now - turned_ < 2 * kHalf)
    before_ = std::move(now_);
  else
    before_.clear();
  now_.clear();
  turned_ = now;
}

void FailureLimit::failed(const std::string& address, Time now) {
  turn(now);
  ++now_[address];
}

bool FailureLimit::bars(const std::string& address, Time now) {
  turn(now);
  const auto is = now_.find(address), was = before_.find(address);
  return (is == now_.end() ? 0 : is->second) + (was == before_.end() ? 0 : was->second) >= limit_;
}

}  // namespace ivr
