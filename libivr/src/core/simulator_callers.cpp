#include <algorithm>

#include "core/simulator_world.hpp"
#include "ivr/digit_map.hpp"

// What callers do about what they hear.

namespace ivr::simulation {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kKeys = "0123456789*#";

// Keys that the patterns take, by going where it can still become one of them. Empty: it was not found.
std::string walk(const DigitMap& map, int entry, std::size_t most, Draw& draw) {
  for (int tries = 0; tries < 20; ++tries) {
    std::string keys;
    while (keys.size() < most) {
      const auto now = map.judge(keys);
      const bool fits = now.entry >= 0 && (entry < 0 || now.entry == entry);
      if (fits && (!now.more || draw.chance(0.3))) return keys;
      if (!now.more && !keys.empty()) break;
      std::string next;
      for (const char key : kKeys) {
        const auto then = map.judge(keys + key);
        if (then.more || then.entry >= 0) next.push_back(key);
      }
      if (next.empty()) break;
      keys.push_back(next[draw.below(static_cast<std::uint32_t>(next.size()))]);
    }
    const auto last = map.judge(keys);
    if (last.entry >= 0 && (entry < 0 || last.entry == entry)) return keys;
  }
  return {};
}

}  // namespace

void World::react(Call& call) {
  if (observer_ != nullptr && observer_->drives()) {
    const auto what = call.asked.what;
    if (what == Call::Asked::What::queue || what == Call::Asked::What::far_side) ++call.stays_in_queue;
    call.asked.what = Call::Asked::What::nothing;
    return;
  }
  switch (call.asked.what) {
    case Call::Asked::What::nothing: return;
    case Call::Asked::What::keys: answer(call); break;
    case Call::Asked::What::recording: break;  // when it begins
    case Call::Asked::What::far_side: wait_with_patience(call); break;
    case Call::Asked::What::queue: wait_with_patience(call); break;
  }
  if (call.asked.what != Call::Asked::What::recording) call.asked.what = Call::Asked::What::nothing;
}

void World::answer(Call& call) {
  const SimulatedCallers& callers = options_.callers;
  if (call.over || call.node < 0) return;
  const flow::Node& node = model_.nodes[static_cast<std::size_t>(call.node)];
  const Micros hears = call.plays != 0 && call.play_began == now_ ? call.play_length : Micros{0};
  const auto give_up = [&] {
    const Micros share = hears * static_cast<std::int64_t>(call.draw.below(1024)) / 1024;
    after(share + call.draw.take(callers.think), What::gone, call, 0, 1);
  };
  if (call.recorded != nullptr) {
    const auto& answers = call.recorded->answers;
    if (call.answered < answers.size() && answers[call.answered].first == node.name)
      return press_for(call, answers[call.answered++].second);
  }
  const auto given =
      callers.answers.find(call.asked.confirms ? node.name + "/confirm" : std::string(node.name));
  if (given != callers.answers.end()) {
    double all = 0;
    for (const SimulatedAnswer& answer : given->second) all += answer.weight;
    const SimulatedAnswer* chosen = nullptr;
    for (const SimulatedAnswer& answer : given->second) {
      if (answer.weight <= 0) continue;
      chosen = &answer;
      if (call.draw.chance(answer.weight / all)) break;
      all -= answer.weight;
    }
    if (chosen == nullptr || chosen->kind == SimulatedAnswer::Kind::silence) return;
    if (chosen->kind == SimulatedAnswer::Kind::hang_up) return give_up();
    return press_for(call, chosen->keys);
  }
  if (call.draw.chance(call.asked.endless ? 0.2 : callers.hang_up)) return give_up();
  if (!call.asked.endless && call.draw.chance(callers.silent)) return;
  if (call.draw.chance(callers.wrong)) {
    std::string keys;
    const int length = std::min(call.asked.max, 4);
    for (int i = 0; i < length; ++i) keys.push_back(kKeys[call.draw.below(kKeys.size())]);
    return press_for(call, keys);
  }
  press_for(call, input_for(call));
}

// Presses when he has heard enough and thought about it.
void World::press_for(Call& call, const std::string& keys) {
  if (keys.empty()) return;
  const SimulatedCallers& callers = options_.callers;
  const Micros hears = call.plays != 0 && call.play_began == now_ ? call.play_length : Micros{0};
  const bool early = call.draw.chance(callers.barge_in);
  const Micros share = hears * static_cast<std::int64_t>(128 + call.draw.below(896)) / 1024;
  Micros wait = hears + call.draw.take(callers.think);
  if (early && call.asked.may_barge) wait = std::max<Micros>(share, call.asked.grace);
  for (const char key : keys) {
    after(wait, What::digit, call, 0, 0, key);
    wait += call.draw.take(callers.between_keys);
  }
}

// Something that the node takes.
std::string World::input_for(Call& call) {
  const flow::Node& node = model_.nodes[static_cast<std::size_t>(call.node)];
  Draw& draw = call.draw;
  if (const auto* menu = std::get_if<flow::MenuNode>(&node.body)) {
    if (call.asked.confirms && menu->confirm) return std::string(1, menu->confirm->key);
    if (menu->choices.empty()) return {};
    const auto chosen = draw.below(static_cast<std::uint32_t>(menu->choices.size()));
    std::string keys = menu->choices[chosen].exit;
    if (menu->many) {
      keys = walk(*menu->map, static_cast<int>(chosen), 32, draw);
      if (!menu->terminators.empty() && menu->map->judge(keys).more) keys.push_back(menu->terminators[0]);
    }
    return keys;
  }
  if (const auto* welcome = std::get_if<flow::WelcomeNode>(&node.body)) {
    std::string keys;
    for (const char key : kKeys) {
      const int index = flow::key_index(key);
      if (index >= 0 && welcome->languages[static_cast<std::size_t>(index)] >= 0) keys.push_back(key);
    }
    return keys.empty() ? keys : std::string(1, keys[draw.below(static_cast<std::uint32_t>(keys.size()))]);
  }
  std::string keys;
  if (const auto* gather = std::get_if<flow::GatherNode>(&node.body)) {
    const auto least = static_cast<std::size_t>(std::max(gather->min, 0));
    const auto most = static_cast<std::size_t>(gather->max);
    if (gather->pattern) {
      keys = walk(*gather->pattern, -1, most, draw);
    } else if (gather->low) {
      const auto low = static_cast<std::int64_t>(*gather->low),
                 high = static_cast<std::int64_t>(*gather->high);
      const auto span =
          static_cast<std::uint32_t>(std::clamp<std::int64_t>(high - low + 1, 1, 1'000'000'000));
      keys = std::to_string(std::max<std::int64_t>(low, 0) + draw.below(span));
      while (keys.size() < least) keys.insert(keys.begin(), '0');
    } else {
      const std::size_t spread = std::min<std::size_t>(most - least, 4);
      const std::size_t length =
          std::max<std::size_t>(least + draw.below(static_cast<std::uint32_t>(spread) + 1), 1);
      while (keys.size() < length) keys.push_back(kDigits[draw.below(10)]);
    }
    if (keys.size() < most && call.asked.terminator != 0) keys.push_back(call.asked.terminator);
    return keys;
  }
  const int length = std::min(call.asked.max, 8);
  for (int i = 0; i < length; ++i) keys.push_back(kDigits[draw.below(10)]);
  return keys;
}

// For an agent, or for somebody whose telephone rings; who has had enough hangs up, or takes a way out.
void World::wait_with_patience(Call& call) {
  ++call.stays_in_queue;
  after(call.patience, What::out_of_patience, call, call.stays_in_queue);
  if (call.asked.exit_keys.empty() || call.node < 0) return;
  const auto given = options_.callers.answers.find(model_.nodes[static_cast<std::size_t>(call.node)].name);
  std::string keys;
  if (given == options_.callers.answers.end()) {
    if (call.draw.chance(0.1))
      keys = call.asked.exit_keys[call.draw.below(static_cast<std::uint32_t>(call.asked.exit_keys.size()))];
  } else {
    double all = 0;
    for (const SimulatedAnswer& answer : given->second) all += answer.weight;
    for (const SimulatedAnswer& answer : given->second) {
      if (answer.weight <= 0 || !call.draw.chance(answer.weight / all)) {
        all -= answer.weight;
        continue;
      }
      if (answer.kind == SimulatedAnswer::Kind::keys) keys = answer.keys;
      break;
    }
  }
  if (!keys.empty()) after(call.patience / 2, What::digit, call, 0, 0, keys[0]);
}

// Speaks for a while, and ends the recording by its key, by silence or by hanging up.
void World::leave_message(Call& call, const command::StartRecord& start) {
  const bool asked = call.asked.what == Call::Asked::What::recording;
  const char key = call.asked.terminator;
  if (asked) call.asked.what = Call::Asked::What::nothing;
  call.recordings.push_back({start.record, now_, key, true});
  if (start.both_sides) return;
  call.left_message = true;
  const auto of_itself = [&](Micros at, outcome::RecordEnd end) {
    after(at, What::record_ended, call, start.record, static_cast<std::uint64_t>(end), 1);
  };
  if (start.max > Millis{0}) of_itself(start.max, outcome::RecordEnd::max_length);
  if (observer_ != nullptr && observer_->drives()) {
    if (start.silence > Millis{0}) of_itself(start.silence, outcome::RecordEnd::silence);
    return;
  }
  const Micros speaks = call.draw.take(options_.callers.message);
  const std::uint32_t how = call.draw.below(10);
  if (how < 5 && key != 0) {
    after(speaks, What::digit, call, 0, 0, key);
  } else if (how < 8 || start.silence == Millis{0}) {
    after(speaks, What::gone, call, 0, 1);
  }
  if (start.silence > Millis{0}) of_itself(speaks + start.silence, outcome::RecordEnd::silence);
}

}  // namespace ivr::simulation
