#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/json_writer.hpp"
#include "ivr/router.hpp"
#include "nlohmann/json.hpp"

// The router's words as JSON. Each struct lists its fields once; one visitor writes them, another reads them.
// Durations are milliseconds (Millis) or microseconds (Micros, Time), names are names, and a field that is
// left out keeps its default.

namespace ivr::routing {

using Json = nlohmann::ordered_json;

// The names of an enum, by value.
template <class E>
struct Names;
template <>
struct Names<AgentState> {
  static constexpr std::string_view all[] = {"available", "on_call", "wrap_up", "on_break", "offline"};
};
template <>
struct Names<Unavailable> {
  static constexpr std::string_view all[] = {"none",    "paused",      "penalty", "in_use",
                                             "ringing", "unreachable", "offline", "wrap_up",
                                             "delayed", "unskilled",   "tried",   "unknown"};
};
template <>
struct Names<acd::Leave::Why> {
  static constexpr std::string_view all[] = {"hung_up", "key", "moved"};
};
template <>
struct Names<acd::Refused::Why> {
  static constexpr std::string_view all[] = {"no_answer", "busy", "rejected", "unreachable"};
};
template <>
struct Names<acd::Exit> {
  static constexpr std::string_view all[] = {"served", "timeout", "full",     "unavailable", "abandoned",
                                             "key",    "moved",   "callback", "system"};
};

template <class Io>
void fields(Io& io, Skill& x) {
  io("name", x.name);
  io("level", x.level);
}
template <class Io>
void fields(Io& io, AgentOptions& x) {
  io("id", x.id);
  io("name", x.name);
  io("department", x.department);
  io("uri", x.uri);
  io("user", x.user);
  io("skills", x.skills);
  io("capacity", x.capacity);
  io("score", x.score);
  io("wrap_up", x.wrap_up);
  io("no_answer_delay", x.no_answer_delay);
  io("busy_delay", x.busy_delay);
  io("reject_delay", x.reject_delay);
  io("max_misses", x.max_misses);
  io("after_misses", x.after_misses);
  io("standby", x.standby);
  io("music", x.music);
}
template <class Io>
void fields(Io& io, QueueMember& x) {
  io("agent", x.agent);
  io("penalty", x.penalty);
  io("position", x.position);
}
template <class Io>
void fields(Io& io, QueueStep& x) {
  io("after", x.after);
  io("min_penalty", x.min_penalty);
  io("max_penalty", x.max_penalty);
  io("raise_penalty", x.raise_penalty);
  io("drop_preferred", x.drop_preferred);
  io("required", x.required);
}
template <class Io>
void fields(Io& io, TierRules& x) {
  io("apply", x.apply);
  io("wait", x.wait);
  io("multiply_by_level", x.multiply_by_level);
  io("skip_empty", x.skip_empty);
}
template <class Io>
void fields(Io& io, QueueAnnouncements& x) {
  io("first", x.first);
  io("every", x.every);
  io("at_least", x.at_least);
  io("only_when_improved", x.only_when_improved);
  io("more_than", x.more_than);
  io("wait_time", x.wait_time);
  io("rounding", x.rounding);
  io("periodic", x.periodic);
  io("periodic_messages", x.periodic_messages);
  io("periodic_random", x.periodic_random);
}
template <class Io>
void fields(Io& io, QueueOptions& x) {
  io("id", x.id);
  io("strategy", x.strategy);
  io("members", x.members);
  io("department", x.department);
  io("required", x.required);
  io("preferred", x.preferred);
  io("steps", x.steps);
  io("tiers", x.tiers);
  io("max_size", x.max_size);
  io("max_wait", x.max_wait);
  io("ring_limit", x.ring_limit);
  io("retry", x.retry);
  io("ring_progressively", x.ring_progressively);
  io("wrap_up", x.wrap_up);
  io("weight", x.weight);
  io("age_score", x.age_score);
  io("age_from_system", x.age_from_system);
  io("autofill", x.autofill);
  io("shared_last_call", x.shared_last_call);
  io("oldest_first", x.oldest_first);
  io("once", x.once);
  io("join_empty", x.join_empty);
  io("leave_empty", x.leave_empty);
  io("sticky", x.sticky);
  io("resume", x.resume);
  io("announce", x.announce);
  io("service_level", x.service_level);
  io("short_abandon", x.short_abandon);
  io("callback_tries", x.callback_tries);
  io("callback_retry", x.callback_retry);
  io("music", x.music);
}

template <class Io>
void fields(Io& io, acd::AgentSet& x) {
  io("agent", x.agent);
}
template <class Io>
void fields(Io& io, acd::AgentRemoved& x) {
  io("agent", x.agent);
}
template <class Io>
void fields(Io& io, acd::QueueSet& x) {
  io("queue", x.queue);
}
template <class Io>
void fields(Io& io, acd::QueueRemoved& x) {
  io("queue", x.queue);
}
template <class Io>
void fields(Io& io, acd::AgentStatus& x) {
  io("agent", x.agent);
  io("state", x.state);
  io("reason", x.reason);
}
template <class Io>
void fields(Io& io, acd::AgentReachable& x) {
  io("agent", x.agent);
  io("reachable", x.reachable);
}
template <class Io>
void fields(Io& io, acd::AgentBusy& x) {
  io("agent", x.agent);
  io("channel", x.channel);
  io("contacts", x.contacts);
}
template <class Io>
void fields(Io& io, acd::Join& x) {
  io("call", x.call);
  io("queue", x.queue);
  io("caller", x.caller);
  io("channel", x.channel);
  io("priority", x.priority);
  io("required", x.required);
  io("preferred", x.preferred);
  io("agent", x.agent);
  io("direct", x.direct);
}
template <class Io>
void fields(Io& io, acd::Leave& x) {
  io("call", x.call);
  io("why", x.why);
}
template <class Io>
void fields(Io& io, acd::Move& x) {
  io("call", x.call);
  io("queue", x.queue);
}
template <class Io>
void fields(Io& io, acd::CallbackRequested& x) {
  io("call", x.call);
  io("number", x.number);
}
template <class Io>
void fields(Io& io, acd::CallbackDialled& x) {
  io("entry", x.entry);
  io("call", x.call);
  io("answered", x.answered);
}
template <class Io>
void fields(Io& io, acd::Ringing& x) {
  io("offer", x.offer);
}
template <class Io>
void fields(Io& io, acd::Accepted& x) {
  io("offer", x.offer);
}
template <class Io>
void fields(Io& io, acd::Refused& x) {
  io("offer", x.offer);
  io("why", x.why);
}
template <class Io>
void fields(Io& io, acd::TalkEnded& x) {
  io("offer", x.offer);
}
template <class Io>
void fields(Io&, acd::Restarted&) {}
template <class Io>
void fields(Io&, acd::Tick&) {}

template <class Io>
void fields(Io& io, acd::Offer& x) {
  io("offer", x.offer);
  io("entry", x.entry);
  io("call", x.call);
  io("agent", x.agent);
  io("queue", x.queue);
  io("ring_limit", x.ring_limit);
}
template <class Io>
void fields(Io& io, acd::Withdraw& x) {
  io("offer", x.offer);
  io("why", x.why);
}
template <class Io>
void fields(Io& io, acd::Connect& x) {
  io("offer", x.offer);
  io("entry", x.entry);
  io("call", x.call);
  io("agent", x.agent);
  io("waited", x.waited);
  io("tried", x.tried);
}
template <class Io>
void fields(Io& io, acd::Left& x) {
  io("entry", x.entry);
  io("call", x.call);
  io("queue", x.queue);
  io("exit", x.exit);
  io("agent", x.agent);
  io("waited", x.waited);
  io("talked", x.talked);
  io("tried", x.tried);
}
template <class Io>
void fields(Io& io, acd::Joined& x) {
  io("entry", x.entry);
  io("call", x.call);
  io("queue", x.queue);
  io("position", x.position);
  io("resumed", x.resumed);
}
template <class Io>
void fields(Io& io, acd::Announce& x) {
  io("entry", x.entry);
  io("call", x.call);
  io("position", x.position);
  io("more_than", x.more_than);
  io("wait", x.wait);
  io("message", x.message);
}
template <class Io>
void fields(Io& io, acd::DialCallback& x) {
  io("entry", x.entry);
  io("number", x.number);
  io("queue", x.queue);
  io("attempt", x.attempt);
}
template <class Io>
void fields(Io& io, acd::AgentChanged& x) {
  io("agent", x.agent);
  io("state", x.state);
  io("contacts", x.contacts);
  io("reason", x.reason);
}
template <class Io>
void fields(Io& io, acd::Decided::Candidate& x) {
  io("agent", x.agent);
  io("why", x.why);
  io("rank", x.rank);
  io("metric", x.metric);
}
template <class Io>
void fields(Io& io, acd::Decided& x) {
  io("decision", x.decision);
  io("entry", x.entry);
  io("call", x.call);
  io("queue", x.queue);
  io("strategy", x.strategy);
  io("candidates", x.candidates);
  io("others", x.others);
}

// ------------------------------------------------------------------------------------------- writing

class FieldWriter {
 public:
  explicit FieldWriter(JsonWriter& json) : json_(json) {}

  template <class T>
  void operator()(std::string_view name, const T& x) {
    json_.key(name);
    write(json_, x);
  }
  template <class T>
  void operator()(std::string_view name, const std::optional<T>& x) {
    if (x) (*this)(name, *x);
  }

  template <class T>
  static void write(JsonWriter& json, const T& x) {
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, std::string>) {
      json.value(x);
    } else if constexpr (std::is_floating_point_v<T>) {
      char buffer[32];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
      json.raw({buffer, static_cast<std::size_t>(end - buffer)});
    } else if constexpr (std::is_enum_v<T>) {
      json.value(Names<T>::all[static_cast<std::size_t>(x)]);
    } else if constexpr (std::is_same_v<T, Millis> || std::is_same_v<T, Micros>) {
      json.value(x.count());
    } else if constexpr (std::is_same_v<T, Time>) {
      json.value(x.time_since_epoch().count());
    } else {
      write_compound(json, x);
    }
  }

 private:
  template <class T>
  static void write_compound(JsonWriter& json, const std::vector<T>& x) {
    json.open('[');
    for (const T& one : x) write(json, one);
    json.close(']');
  }
  template <class K, class T>
  static void write_compound(JsonWriter& json, const std::map<K, T>& x) {
    json.open('{');
    for (const auto& [key, value] : x) {
      if constexpr (std::is_same_v<K, std::string>) {
        json.key(key);
      } else {
        json.key(std::to_string(key));
      }
      write(json, value);
    }
    json.close('}');
  }
  template <class T>
  static void write_compound(JsonWriter& json, const T& x) {
    json.open('{');
    FieldWriter writer(json);
    fields(writer, const_cast<T&>(x));  // the same list reads, so it takes what can be written to
    json.close('}');
  }
  JsonWriter& json_;
};

// ------------------------------------------------------------------------------------------- reading

// Keeps the first thing that is wrong, with where it is.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string path, std::string& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  template <class T>
  void operator()(std::string_view name, T& x) {
    const auto at = object_.find(std::string(name));
    if (at != object_.end()) {
      ++read_;
      read(*at, x, path_ + "/" + std::string(name), error_);
    }
  }
  // A name that nobody asked for is a mistake of the writer.
  void finish(std::size_t others = 0) const {
    if (error_.empty() && read_ + others != object_.size()) error_ = path_ + ": there are unknown fields";
  }

  template <class T>
  static void read(const Json& json, T& x, const std::string& path, std::string& error) {
    if (!error.empty()) return;
    const auto wrong = [&](std::string_view what) {
      error = (path.empty() ? "/" : path) + ": expected " + std::string(what) + ", not " +
              json.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40);
    };
    if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) return wrong("true or false");
      x = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      if (!integer(json, x)) return wrong("an integer in range");
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!json.is_number()) return wrong("a number");
      x = json.get<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!json.is_string()) return wrong("a text");
      x = json.get<std::string>();
    } else if constexpr (std::is_enum_v<T>) {
      const std::string name = json.is_string() ? json.get<std::string>() : std::string();
      const auto* at = std::find(std::begin(Names<T>::all), std::end(Names<T>::all), name);
      if (at == std::end(Names<T>::all)) return wrong("one of the names");
      x = static_cast<T>(at - std::begin(Names<T>::all));
    } else if constexpr (std::is_same_v<T, Millis> || std::is_same_v<T, Micros>) {
      std::int64_t count = 0;
      if (!integer(json, count)) return wrong("an integer in range");
      x = T(count);
    } else if constexpr (std::is_same_v<T, Time>) {
      std::int64_t count = 0;
      if (!integer(json, count)) return wrong("an integer in range");
      x = Time(Micros(count));
    } else {
      read_compound(json, x, path, error);
    }
  }

 private:
  template <class T>
  static bool integer(const Json& json, T& x) {
    if (json.is_number_unsigned()) {
      const auto value = json.get<std::uint64_t>();
      if (value > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
      x = static_cast<T>(value);
      return true;
    }
    if (!json.is_number_integer()) return false;
    const auto value = json.get<std::int64_t>();
    if constexpr (std::is_unsigned_v<T>) {
      if (value < 0) return false;
    } else {
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return false;
    }
    x = static_cast<T>(value);
    return true;
  }
  template <class T>
  static void read_compound(const Json& json, std::optional<T>& x, const std::string& path,
                            std::string& error) {
    read(json, x.emplace(), path, error);
  }
  template <class T>
  static void read_compound(const Json& json, std::vector<T>& x, const std::string& path,
                            std::string& error) {
    if (!json.is_array()) {
      error = path + ": expected a list";
      return;
    }
    x.clear();
    for (std::size_t i = 0; i < json.size() && error.empty(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        bool one = false;
        read(json[i], one, path + "/" + std::to_string(i), error);
        x.push_back(one);
      } else {
        read(json[i], x.emplace_back(), path + "/" + std::to_string(i), error);
      }
    }
  }
  template <class K, class T>
  static void read_compound(const Json& json, std::map<K, T>& x, const std::string& path,
                            std::string& error) {
    if (!json.is_object()) {
      error = path + ": expected an object";
      return;
    }
    x.clear();
    for (const auto& [key, value] : json.items()) {
      K k{};
      if constexpr (std::is_same_v<K, std::string>) {
        k = key;
      } else {
        const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), k);
        if (code != std::errc() || end != key.data() + key.size()) {
          error = path + ": '" + key + "' is no number";
          return;
        }
      }
      read(value, x[k], path + "/" + key, error);
    }
  }
  template <class T>
  static void read_compound(const Json& json, T& x, const std::string& path, std::string& error) {
    if (!json.is_object()) {
      error = (path.empty() ? "/" : path) + ": expected an object";
      return;
    }
    FieldReader reader(json, path, error);
    fields(reader, x);
    reader.finish();
  }

  const Json& object_;
  std::string path_;
  std::string& error_;
  std::size_t read_ = 0;
};

}  // namespace ivr::routing
