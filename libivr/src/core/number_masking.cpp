#include "ivr/number_masking.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ivr {

absl::StatusOr<NumberMasking> NumberMasking::create(const MaskingOptions& options) {
  if (options.numbers.empty()) return absl::InvalidArgumentError("number masking: no virtual number");
  std::vector<std::string> sorted = options.numbers;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return absl::InvalidArgumentError("number masking: virtual number '" + *twice + "' is here twice");
  }
  if (sorted.front().empty()) return absl::InvalidArgumentError("number masking: a virtual number is empty");
  return NumberMasking(options);
}

NumberMasking::Key NumberMasking::in_order(std::string_view one, std::string_view other) {
  return {std::string(std::min(one, other)), std::string(std::max(one, other))};
}

absl::StatusOr<std::string> NumberMasking::connect(std::string_view one, std::string_view other,
                                                   Millis lifetime, Time now) {
  expire(now);
  for (const std::string_view party : {one, other}) {
    const bool is_virtual =
        std::find(options_.numbers.begin(), options_.numbers.end(), party) != options_.numbers.end();
    if (party.empty() || one == other || is_virtual) {
      return absl::InvalidArgumentError("number masking: '" + std::string(one) + "' and '" +
                                        std::string(other) + "' must be two parties, and no virtual numbers");
    }
  }
  if (lifetime <= 0ms) {
    return absl::InvalidArgumentError("number masking: a lifetime of " + std::to_string(lifetime.count()) +
                                      " ms; more than 0");
  }
  const Time expires = now + lifetime;
  if (const auto known = by_pair_.find(in_order(one, other)); known != by_pair_.end()) {
    Mapping& pair = pairs_.at(known->second);
    by_expiry_.erase({pair.expires, known->second});
    pair.expires = expires;
    by_expiry_.emplace(expires, known->second);
    return pair.number;
  }
  if (pairs_.size() >= options_.max_pairs) {
    return absl::ResourceExhaustedError("number masking: " + std::to_string(pairs_.size()) +
                                        " pairs are all there may be");
  }
  for (std::size_t i = 0; i < options_.numbers.size(); ++i) {
    const std::string& number = options_.numbers[(next_number_ + i) % options_.numbers.size()];
    const Key mine{number, std::string(one)}, theirs{number, std::string(other)};
    if (by_caller_.contains(mine) || by_caller_.contains(theirs)) continue;
    next_number_ = (next_number_ + i + 1) % options_.numbers.size();
    add({number, std::string(one), std::string(other), expires});
    return number;
  }
  return absl::ResourceExhaustedError("number masking: all " + std::to_string(options_.numbers.size()) +
                                      " virtual numbers are in use with one of the two parties");
}

std::optional<NumberMasking::Route> NumberMasking::route(std::string_view number, std::string_view caller,
                                                         Time now) {
  expire(now);
  const auto known = by_caller_.find({std::string(number), std::string(caller)});
  if (known == by_caller_.end()) return std::nullopt;
  const Mapping& pair = pairs_.at(known->second);
  return Route{pair.one == caller ? pair.other : pair.one, pair.number};
}

bool NumberMasking::disconnect(std::string_view one, std::string_view other, Time now) {
  expire(now);
  const auto known = by_pair_.find(in_order(one, other));
  if (known == by_pair_.end()) return false;
  drop(known->second);
  return true;
}

std::size_t NumberMasking::pairs(Time now) {
  expire(now);
  return pairs_.size();
}

absl::Status NumberMasking::restore(const Mapping& mapping, Time now) {
  expire(now);
  const auto refuse = [&](std::string_view what) {
    return absl::InvalidArgumentError("number masking: virtual number '" + mapping.number + "' of '" +
                                      mapping.one + "' and '" + mapping.other + "' " + std::string(what));
  };
  if (mapping.expires <= now) return refuse("has expired");
  if (std::find(options_.numbers.begin(), options_.numbers.end(), mapping.number) == options_.numbers.end())
    return refuse("is none of the virtual numbers");
  if (mapping.one.empty() || mapping.other.empty() || mapping.one == mapping.other)
    return refuse("does not connect two parties");
  if (by_caller_.contains({mapping.number, mapping.one}) ||
      by_caller_.contains({mapping.number, mapping.other}) ||
      by_pair_.contains(in_order(mapping.one, mapping.other)))
    return refuse("is in use with one of the two");
  if (pairs_.size() >= options_.max_pairs)
    return refuse("is one more than the " + std::to_string(options_.max_pairs) + " pairs there may be");
  add(mapping);
  return absl::OkStatus();
}

std::vector<NumberMasking::Mapping> NumberMasking::expire(Time now) {
  std::vector<Mapping> gone;
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now)
    gone.push_back(drop(by_expiry_.begin()->second));
  return gone;
}

void NumberMasking::add(Mapping mapping) {
  const std::uint64_t id = next_id_++;
  by_caller_[{mapping.number, mapping.one}] = by_caller_[{mapping.number, mapping.other}] = id;
  by_pair_[in_order(mapping.one, mapping.other)] = id;
  by_expiry_.emplace(mapping.expires, id);
  pairs_.emplace(id, std::move(mapping));
}

NumberMasking::Mapping NumberMasking::drop(std::uint64_t id) {
  Mapping pair = std::move(pairs_.at(id));
  pairs_.erase(id);
  by_caller_.erase({pair.number, pair.one});
  by_caller_.erase({pair.number, pair.other});
  by_pair_.erase(in_order(pair.one, pair.other));
  by_expiry_.erase({pair.expires, id});
  return pair;
}

StoredDocument document_of(const NumberMasking::Mapping& mapping) {
  using Json = nlohmann::ordered_json;
  constexpr auto kReplace = Json::error_handler_t::replace;
  const auto& [number, one, other, expires] = mapping;
  return {kMaskingKind, Json({std::min(one, other), std::max(one, other)}).dump(-1, ' ', false, kReplace),
          Json({{"number", number},
                {"one", one},
                {"other", other},
                {"expires", expires.time_since_epoch().count()}})
              .dump(-1, ' ', false, kReplace)};
}

absl::StatusOr<NumberMasking::Mapping> mapping_of(const StoredDocument& document) {
  const auto json = nlohmann::json::parse(document.json, nullptr, false);
  const auto text = [&](const char* name) { return json.value(name, std::string()); };
  const auto good = [&](const char* name) { return json.contains(name) && json[name].is_string(); };
  if (!json.is_object() || !good("number") || !good("one") || !good("other") || !json.contains("expires") ||
      !json["expires"].is_number_integer()) {
    return absl::InvalidArgumentError("masked pair " + document.id +
                                      ": expected number, one, other and expires, not " + document.json);
  }
  return NumberMasking::Mapping{text("number"), text("one"), text("other"),
                                Time(Micros(json["expires"].get<std::int64_t>()))};
}

}  // namespace ivr
