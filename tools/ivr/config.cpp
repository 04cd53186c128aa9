#include "config.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "ivr/codec.hpp"
#include "ivr/flow.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/site_setup.hpp"
#include "ivr/store.hpp"

namespace {

using nlohmann::json;

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError("cannot read " + path + ": " + std::strerror(errno));
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Reads one object of the file: each known key has a reader, an unknown one is an error with its place.
class Section {
 public:
  Section(const json& object, std::string pointer) : object_(object), pointer_(std::move(pointer)) {}

  void text(const char* key, std::string& to) {
    readers_[key] = [&to](const json& v) {
      return v.is_string() ? (to = v.get<std::string>(), "") : "a string";
    };
  }
  void flag(const char* key, bool& to) {
    readers_[key] = [&to](const json& v) {
      return v.is_boolean() ? (to = v.get<bool>(), "") : "true or false";
    };
  }
  template <class N>
  void count(const char* key, N& to) {
    readers_[key] = [&to](const json& v) {
      return v.is_number() && v.get<double>() >= 0 ? (to = v.get<N>(), "") : "a number, 0 or more";
    };
  }
  void seconds(const char* key, ivr::Millis& to) {
    readers_[key] = [&to](const json& v) {
      if (!v.is_number() || v.get<double>() < 0 || v.get<double>() > 1e6) return "seconds, 0 or more";
      to = ivr::Millis(static_cast<std::int64_t>(v.get<double>() * 1000));
      return "";
    };
  }
  void custom(const char* key, std::function<const char*(const json&)> reader) {
    readers_[key] = std::move(reader);
  }

  absl::Status read() const {
    if (!object_.is_object()) return absl::InvalidArgumentError(pointer_ + ": must be an object");
    for (const auto& [key, value] : object_.items()) {
      const auto reader = readers_.find(key);
      if (reader == readers_.end()) {
        std::string known;
        for (const auto& [name, unused] : readers_) known += (known.empty() ? "" : ", ") + name;
        return absl::InvalidArgumentError(pointer_ + "/" + key + ": unknown; there are " + known);
      }
      if (const std::string want = reader->second(value); !want.empty()) {
        return absl::InvalidArgumentError(pointer_ + "/" + key + ": " + value.dump() + " is not " + want);
      }
    }
    return absl::OkStatus();
  }

 private:
  const json& object_;
  std::string pointer_;
  std::map<std::string, std::function<const char*(const json&)>> readers_;
};

absl::Status read_extension(const std::string& number, const json& value, const std::filesystem::path& base,
                            ServeConfig::Extension& to) {
  to.number = number;
  if (value.is_string()) {
    to.flow = value.get<std::string>();
  } else {
    Section section(value, "/extensions/" + number);
    section.text("flow", to.flow);
    section.flag("record", to.record);
    section.flag("record_digits", to.record_digits);
    section.custom("variables", [&to](const json& v) {
      if (!v.is_object()) return "an object of variables";
      for (const auto& [name, x] : v.items()) to.variables.emplace_back(name, x.dump());
      return "";
    });
    if (auto read = section.read(); !read.ok()) return read;
    if (to.flow.empty()) return absl::InvalidArgumentError("/extensions/" + number + ": has no flow");
  }
  if (!to.flow.starts_with('@')) to.flow = (base / to.flow).string();  // paths in a file are relative to it
  return absl::OkStatus();
}

}  // namespace

absl::Status parse_listen(std::string_view text, ivr::EngineOptions& options) {
  const auto colon = text.rfind(':');
  if (const auto ip = text.substr(0, colon); !ip.empty()) {
    options.sip.listen = ip;
    options.media.bind_ip = ip;
  }
  if (colon == std::string_view::npos) return absl::OkStatus();
  const auto port = number(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65'535) {
    return absl::InvalidArgumentError("listen '" + std::string(text) + "': the port must be 0 to 65535");
  }
  options.sip.port = static_cast<std::uint16_t>(*port);
  return absl::OkStatus();
}

absl::Status parse_allow(const std::vector<std::string>& networks, ivr::EngineOptions& options) {
  auto allow = ivr::AddressList::create(networks);
  if (!allow.ok()) return absl::InvalidArgumentError("allow: " + std::string(allow.status().message()));
  options.sip.allow = *std::move(allow);
  return absl::OkStatus();
}

absl::Status parse_ports(std::string_view text, ivr::EngineOptions& options) {
  const auto dash = text.find('-');
  const auto from = number(text.substr(0, dash));
  const auto to = dash == std::string_view::npos ? std::nullopt : number(text.substr(dash + 1));
  if (!from || !to || *from < 1024 || *to > 65'535 || *to <= *from) {
    return absl::InvalidArgumentError("RTP ports '" + std::string(text) +
                                      "': must be LOW-HIGH within 1024-65535");
  }
  options.media.port_min = static_cast<std::uint16_t>(*from);
  options.media.port_max = static_cast<std::uint16_t>(*to);
  return absl::OkStatus();
}

absl::Status parse_codecs(std::string_view text, ivr::EngineOptions& options) {
  std::vector<ivr::Codec> codecs;
  while (true) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, comma);
    const auto codec = ivr::codec_named(name);
    if (!codec) {
      std::string known;
      for (const ivr::CodecFormat& format : ivr::kCodecFormats)
        known += (known.empty() ? "" : ", ") + std::string(format.name);
      return absl::InvalidArgumentError("codec '" + std::string(name) + "': there are " + known);
    }
    if (std::find(codecs.begin(), codecs.end(), *codec) != codecs.end())
      return absl::InvalidArgumentError("codec '" + std::string(name) + "' is named twice");
    codecs.push_back(*codec);
    if (comma == text.size()) break;
    text.remove_prefix(comma + 1);
  }
  options.codecs = std::move(codecs);
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, std::string>> parse_variable(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return absl::InvalidArgumentError("variable '" + std::string(text) + "': must be NAME=VALUE");
  }
  const std::string value(text.substr(equals + 1));
  return std::pair{std::string(text.substr(0, equals)), json::accept(value) ? value : json(value).dump()};
}

absl::Status read_config(const std::string& path, ServeConfig& config) {
  auto bytes = read_file(path);
  if (!bytes.ok()) return bytes.status();
  json document;
  try {
    document = json::parse(*bytes);
  } catch (const json::parse_error& e) {
    return absl::InvalidArgumentError(path + ": " + e.what());
  }
  ivr::EngineOptions& o = config.engine;
  absl::Status inner = absl::OkStatus();
  const auto nested = [&inner](absl::Status status) {
    if (inner.ok()) inner = std::move(status);
    return "";
  };
  const std::filesystem::path base = std::filesystem::path(path).parent_path();

  Section top(document, "");
  top.custom("sip", [&](const json& v) {
    Section s(v, "/sip");
    s.custom("listen", [&](const json& x) {
      return x.is_string() ? nested(parse_listen(x.get<std::string>(), o)) : "an address";
    });
    s.count("port", o.sip.port);
    s.flag("udp", o.sip.udp);
    s.flag("tcp", o.sip.tcp);
    s.text("external_ip", o.sip.external_ip);
    s.seconds("external_ip_refresh_s", o.external_ip_refresh);
    s.custom("allow", [&](const json& x) {
      if (!x.is_array() || x.empty() ||
          !std::ranges::all_of(x, [](const json& one) { return one.is_string(); }))
        return "a list of networks, such as [\"192.0.2.0/24\"]";
      return nested(parse_allow(x.get<std::vector<std::string>>(), o));
    });
    s.seconds("session_expires_s", o.sip.session_expires);
    s.seconds("min_se_s", o.sip.min_se);
    s.text("user", o.auth_user);
    s.custom("password_env", [&](const json& x) {
      if (!x.is_string()) return "the name of an environment variable";
      const char* password = std::getenv(x.get<std::string>().c_str());
      if (password == nullptr) return "set in the environment";
      o.auth_password = password;
      return "";
    });
    return nested(s.read());
  });
  top.custom("rtp", [&](const json& v) {
    Section s(v, "/rtp");
    s.custom("ports", [&](const json& x) {
      return x.is_string() ? nested(parse_ports(x.get<std::string>(), o)) : "LOW-HIGH";
    });
    s.text("bind_ip", o.media.bind_ip);
    s.text("external_ip", o.media.external_ip);
    s.count("threads", o.media.threads);
    s.flag("shared_ports", o.media.shared_ports);
    s.custom("codecs", [&](const json& x) {
      return x.is_string() ? nested(parse_codecs(x.get<std::string>(), o))
                           : "codecs, best first: \"g722,pcmu\"";
    });
    s.flag("comfort_noise", o.comfort_noise);
    s.flag("dtx", o.stream.dtx);
    s.flag("symmetric", o.stream.symmetric);
    s.flag("inband_dtmf", o.stream.inband_dtmf);
    s.flag("inband_always", o.stream.inband_always);
    s.seconds("timeout_s", o.stream.rtp_timeout);
    return nested(s.read());
  });
  top.custom("limits", [&](const json& v) {
    Section s(v, "/limits");
    s.count("calls", o.limits.calls);
    s.count("calls_per_second", o.limits.calls_per_second);
    s.count("calls_per_address", o.limits.calls_per_address);
    s.count("calls_per_second_per_address", o.limits.calls_per_second_per_address);
    s.seconds("retry_after_s", o.limits.retry_after);
    s.seconds("call_length_s", o.limits.call_length);
    return nested(s.read());
  });
  top.custom("extensions", [&](const json& v) {
    if (!v.is_object()) return "an object: extension to flow";
    for (const auto& [key, value] : v.items()) {
      nested(read_extension(key, value, base, config.extensions.emplace_back()));
    }
    return "";
  });
  top.text("database", o.database);
  top.text("recordings", o.recordings);
  top.text("prompts", o.prompts);
  top.text("speech_cache", o.speech_cache);
  top.text("language", o.default_language);
  top.text("refusal_log", config.refusal_log);
  auto read = top.read();
  if (read.ok()) read = inner;
  if (!read.ok()) return absl::InvalidArgumentError(path + ": " + std::string(read.message()));
  return absl::OkStatus();
}

absl::Status load_routes(ServeConfig& config) {
  for (const auto& extension : config.extensions) {
    if (extension.flow.starts_with('@')) {
      config.engine.routes.push_back({.extension = extension.number,
                                      .flow = extension.flow.substr(1),
                                      .variables = extension.variables,
                                      .record = extension.record,
                                      .record_digits = extension.record_digits});
      continue;
    }
    auto document = config.flows.document(extension.flow);
    if (!document.ok()) return document.status();
    auto flow = ivr::Flow::load(*document);
    if (!flow.ok()) {
      return absl::InvalidArgumentError(extension.flow + " is refused:\n" +
                                        std::string(flow.status().message()));
    }
    auto route = ivr::flow_route(extension.number, *flow, extension.variables);
    if (!route.ok())
      return absl::InvalidArgumentError(extension.flow + ": " + std::string(route.status().message()));
    route->record = extension.record;
    route->record_digits = extension.record_digits;
    config.engine.routes.push_back(*std::move(route));
  }
  return absl::OkStatus();
}

absl::Status load_site(bool demo_users, ServeConfig& config) {
  if (!std::filesystem::exists(config.engine.database)) return absl::OkStatus();
  auto store = ivr::open_store(config.engine.database, ivr::StoreAccess::read);
  if (!store.ok()) return store.status();
  auto site = ivr::load_site_from(**store);
  if (absl::IsNotFound(site.status())) return absl::OkStatus();
  if (!site.ok()) return site.status();
  if (demo_users) {
    for (const ivr::SiteDemoUser& user : site->demo_users)
      config.engine.sip.users.push_back({user.user, user.password});
  }
  auto lookups = ivr::flow_site(*site);
  if (!lookups.ok()) return lookups.status();
  config.site = *std::move(lookups);
  const ivr::FlowCheckOptions all = ivr::flow_checks(*site);
  config.host.calendars = all.calendars;
  config.host.lists = all.lists;
  return ivr::set_up(*site, config.engine);
}
