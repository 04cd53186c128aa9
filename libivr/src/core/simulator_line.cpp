#include <algorithm>

#include "core/simulator_world.hpp"

// What is at the other ends: prompts that take their time, telephones that are dialled, services that are
// asked.

namespace ivr::simulation {
namespace {

// "http://*/balance/*": '*' stands for anything.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

// ------------------------------------------------------------------------------------------- media

Micros World::length_of(const Prompts& prompts) const {
  constexpr Micros kPause = 250ms;  // after what is spoken
  Micros sum{0};
  for (const Prompt& prompt : prompts) {
    switch (prompt.kind) {
      case Prompt::Kind::text: {
        std::int64_t letters = 0;
        for (const char c : prompt.value) letters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        sum += Micros(options_.letter) * letters + kPause;
        break;
      }
      case Prompt::Kind::file: sum += options_.file; break;
      case Prompt::Kind::tone: sum += prompt.length > Millis{0} ? prompt.length : Millis(400); break;
      case Prompt::Kind::silence: sum += prompt.length; break;
      case Prompt::Kind::music: sum += Micros(180s); break;
    }
  }
  return sum;
}

void World::play(Call& call, const command::Play& play) {
  if (call.plays != 0) stop_play(call, call.plays);
  call.plays = play.play;
  call.play_began = now_;
  call.play_from = play.from;
  call.play_length = play.loops == 0 ? Micros{0} : length_of(play.prompts) * play.loops;
  if (play.loops != 0) after(call.play_length, What::play_ended, call, play.play);
}

void World::stop_play(Call& call, PlayId play) {
  if (call.plays != play || play == 0) return;
  call.plays = 0;
  later(call, event::PlayEnded{play, to_millis(now_ - call.play_began), false, {}});
}

void World::stop_record(Call& call, RecordId record, outcome::RecordEnd end) {
  for (Call::Recording& each : call.recordings) {
    if (each.id != record || !each.open) continue;
    each.open = false;
    after(kSignal, What::record_ended, call, record, static_cast<std::uint64_t>(end));
  }
}

// ------------------------------------------------------------------------------------ far telephones

void World::dial(Call& call, const command::Dial& dial) {
  if (dial.leg == 0) {
    if (call.part == Call::Part::called_back) {
      const Micros rings = call.draw.take(options_.agent.answer);
      if (call.draw.chance(options_.callers.takes_callback)) {
        after(kSetUp + rings, What::established, call);
      } else {
        after(kSetUp + Micros(30s), What::gone, call, 480, 1);
      }
      return;
    }
    const Agent& agent = agents_[static_cast<std::size_t>(call.agent)];
    const SimulatedAgent& acts = *agent.acts;
    if (call.draw.chance(acts.busy)) return after(kSetUp, What::gone, call, 486, 1);
    after(kSetUp, What::far_rings, call, 0);
    const Micros rings = call.draw.take(acts.answer);
    if (call.draw.chance(acts.reject)) return after(kSetUp + rings, What::gone, call, 603, 1);
    if (!call.draw.chance(acts.miss)) after(kSetUp + rings, What::established, call);
    return;
  }
  call.far = dial.leg;
  call.far_up = false;
  const SimulatedNumber* number = nullptr;
  for (const SimulatedNumber& each : options_.transfers) {
    if (number == nullptr && fits(each.to, dial.uri)) number = &each;
  }
  static const SimulatedNumber kAnybody;
  if (number == nullptr) number = &kAnybody;
  const auto leg = static_cast<std::uint64_t>(dial.leg);
  const Micros rings = call.draw.take(number->ring), talks = call.talk.value_or(call.draw.take(number->talk));
  if (call.draw.chance(number->busy)) return after(kSetUp, What::far_gone, call, leg, 486);
  after(kSetUp, What::far_rings, call, leg);
  const double rest = 1 - number->busy;
  if (rest > 0 && call.draw.chance(number->answers / rest)) {
    after(kSetUp + rings, What::far_answers, call, leg, static_cast<std::uint64_t>(talks.count()));
  } else if (const double last = rest - number->answers;
             last > 0 && call.draw.chance(number->rejects / last)) {
    after(kSetUp + rings, What::far_gone, call, leg, 603);
  }
}

// ------------------------------------------------------------------------------------------ services

void World::fetch(Call& call, const command::Fetch& fetch) {
  const auto usable = [&](std::size_t i) {
    const SimulatedReply& reply = options_.replies[i];
    return (reply.times == 0 || reply_times_[i] < reply.times) && fits(reply.url, fetch.http.url) &&
           (reply.method.empty() || reply.method == fetch.http.method);
  };
  std::size_t first = 0;
  const std::size_t count = options_.replies.size();
  while (first < count && !usable(first)) ++first;
  if (first == count) {
    const std::string url = fetch.http.url.substr(0, fetch.http.url.find('?'));
    if (auto& missed = result_.unanswered; missed.size() < 16 || missed.contains(url)) ++missed[url];
    return after(kSetUp, What::replied, call, fetch.request, 0);
  }
  std::size_t chosen = first;
  if (options_.replies[first].times == 0) {
    double all = 0;
    for (std::size_t i = first; i < count; ++i) {
      if (usable(i) && options_.replies[i].url == options_.replies[first].url)
        all += options_.replies[i].weight;
    }
    for (std::size_t i = first; i < count; ++i) {
      if (!usable(i) || options_.replies[i].url != options_.replies[first].url) continue;
      chosen = i;
      if (call.draw.chance(options_.replies[i].weight / all)) break;
      all -= options_.replies[i].weight;
    }
  }
  ++reply_times_[chosen];
  const Micros takes = call.draw.take(options_.replies[chosen].after);
  if (takes >= fetch.http.timeout)
    return after(fetch.http.timeout, What::replied, call, fetch.request, ~std::uint64_t{0});
  after(takes, What::replied, call, fetch.request, chosen + 1);
}

// ------------------------------------------------------------------------------- for an observer

void World::press(Call& call, std::string_view keys, Micros wait, Micros between) {
  for (const char key : keys) {
    after(wait, What::digit, call, 0, 0, key);
    wait += between;
  }
}
void World::hang_up(Call& call, Micros wait) { after(wait, What::gone, call, 0, 1); }
void World::speak(Call& call, Micros wait, Micros length) {
  after(wait, What::voice_began, call);
  after(wait + length, What::voice_ended, call);
}
void World::look_again(Call& call, Micros wait) { after(wait, What::look, call); }

}  // namespace ivr::simulation
