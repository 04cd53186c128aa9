#include <algorithm>
#include <string_view>
#include <utility>

#include "ivr/call_session.hpp"
#include "ivr/digit_map.hpp"
#include "ivr/event_log.hpp"

// What comes from the other side, keys and voice: who takes it, what it stops, and whether it may be shown.

namespace ivr {
namespace {

bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

}  // namespace

bool CallSession::sensitive(char digit) const {
  if (const auto* collect = std::get_if<Collecting>(&operation_)) {
    // A key that waits for the prompt may in the end answer another question.
    if (collect->said.play != 0 && collect->said.barge.at != BargeAt::once && options_.secret_type_ahead)
      return true;
    return collect->want.sensitive && !contains(collect->want.terminators, digit);
  }
  if (const auto* recording =
          std::get_if<Recording>(&operation_)) {  // the key that ends it, and nothing else
    if (recording->phase == Recording::Phase::recording && contains(recording->want.finish_keys, digit))
      return false;
  }
  if (const auto* queueing = std::get_if<Queueing>(&operation_)) {
    if (queueing->phase != Queueing::Phase::waiting) return true;  // what they tell each other
    if (contains(queueing->want.exit_keys, digit)) return false;
  }
  if (const auto* serving = std::get_if<Serving>(&operation_); serving != nullptr && serving->talking)
    return true;
  return options_.secret_type_ahead;
}

bool CallSession::asks_for_secrets() const {
  // A menu's key is none, unless it waits for the prompt.
  if (const auto* collect = std::get_if<Collecting>(&operation_))
    return collect->want.sensitive || sensitive('0');
  if (const auto* sending = std::get_if<SendingDigits>(&operation_); sending != nullptr && sending->secret)
    return true;
  const auto* transfer = std::get_if<Transferring>(&operation_);
  const auto* queueing = std::get_if<Queueing>(&operation_);
  const auto* serving = std::get_if<Serving>(&operation_);
  const bool talking = (transfer != nullptr && transfer->phase == Transferring::Phase::talking) ||
                       (queueing != nullptr && queueing->phase == Queueing::Phase::talking) ||
                       (serving != nullptr && serving->talking);
  return !talking && options_.secret_type_ahead;
}

std::optional<Event> CallSession::for_log(const Event& event) const {
  if (const auto* heard = std::get_if<event::DigitHeard>(&event); heard != nullptr && sensitive(heard->digit))
    return event::DigitHeard{'?', heard->source};
  const auto* replied = std::get_if<event::HttpReplied>(&event);
  const auto* fetch = std::get_if<Fetching>(&operation_);
  if (replied != nullptr && fetch != nullptr && fetch->request == replied->request && !fetch->secrets.empty())
    return event::HttpReplied{replied->request, hide(replied->reply, fetch->secrets)};
  return std::nullopt;
}

void CallSession::on_digit(char digit) {
  if (auto* collect = std::get_if<Collecting>(&operation_)) {
    Said& said = collect->said;
    if (said.play != 0 && !stops(said.barge, BargeIn::digits)) return;  // not while this prompt plays
    if (said.play == 0 || said.barge.at == BargeAt::once) {
      take_digit(*collect, digit);
    } else if (queue_digit(digit)) {
      interrupt(said);
    }
    return;
  }
  if (auto* recording = std::get_if<Recording>(&operation_)) {
    if (recording->phase == Recording::Phase::recording && contains(recording->want.finish_keys, digit)) {
      recording->phase = Recording::Phase::stopping;
      recording->key = digit;
      out_->push_back(command::StopRecord{recording->record});
    } else if (recording->phase == Recording::Phase::prompt) {
      stop_play(recording->play);
      start_recording(*recording);
    }
    return;
  }
  if (const auto* transfer = std::get_if<Transferring>(&operation_);
      transfer != nullptr && transfer->phase == Transferring::Phase::talking) {
    return;  // it is for the far side, and goes there with the audio
  }
  if (auto* queueing = std::get_if<Queueing>(&operation_)) {
    if (queueing->phase == Queueing::Phase::waiting && contains(queueing->want.exit_keys, digit))
      leave_queue_by(*queueing, digit);
    return;
  }
  if (std::holds_alternative<Serving>(operation_)) return;
  auto* playing = std::get_if<Playing>(&operation_);
  if (playing != nullptr && !stops(playing->said.barge, BargeIn::digits)) return;
  if (queue_digit(digit) && playing != nullptr) interrupt(playing->said);
}

bool CallSession::queue_digit(char digit) {
  if (static_cast<int>(queued_.size()) >= options_.max_queued_digits) {
    ++summary_.dropped_digits;
    return false;
  }
  queued_.push_back(digit);
  return true;
}

// ----------------------------------------------------------------------------------------- prompts

template <class Intent>
CallSession::Said CallSession::say(const Intent& want, int loops) {
  Said said{.barge = {want.barge_in, want.barge_at, now_ + want.grace, want.min_speech}};
  if (want.barge_at == BargeAt::mark) {
    said.rounds = loops;
    for (const Prompt& prompt : want.prompts) {
      if (said.parts.empty() || !prompt.mark.empty()) said.parts.emplace_back();
      said.parts.back().push_back(prompt);
    }
    said.at_mark = !queued_.empty() && want.barge_in != BargeIn::none && want.barge_in != BargeIn::speech;
    said.play = play_part(said);
  } else {
    said.play = play(want.prompts, loops);
  }
  const bool by_voice = want.barge_in == BargeIn::speech || want.barge_in == BargeIn::both;
  if (by_voice && want.barge_at != BargeAt::end && !said.at_mark) {
    said.barge.listening = true;
    out_->push_back(command::DetectVoice{true});
  }
  return said;
}
template CallSession::Said CallSession::say(const intent::Play&, int);
template CallSession::Said CallSession::say(const intent::Collect&, int);

PlayId CallSession::play_part(const Said& said) {
  const bool last = said.part + 1 == said.parts.size();
  const PlayId id = play(said.parts[said.part], 1);
  if (!last || said.rounds != 1)
    std::get<command::Play>(out_->back()).then = said.parts[last ? 0 : said.part + 1];
  return id;
}

// With the next part, when there is one and nothing stops it here.
bool CallSession::goes_on(Said& said, const event::PlayEnded& ended) {
  said.heard += ended.heard;
  if (said.parts.empty() || !ended.error.empty() || !ended.completed) return false;
  ++said.part;
  if (said.part < said.parts.size()) {
    if (said.at_mark) return false;
  } else {
    if (said.rounds == 1 || said.at_mark) return false;
    if (said.rounds > 1) --said.rounds;
    said.part = 0;
  }
  said.play = play_part(said);
  return true;
}

// A key or a voice has come that may stop it.
void CallSession::interrupt(Said& said) {
  switch (said.barge.at) {
    case BargeAt::end: return;
    case BargeAt::mark:
      said.at_mark = true;
      stop_listening(said.barge);
      return;
    case BargeAt::once:
      if (said.stopping) return;
      said.stopping = true;  // PlayEnded says how much was heard
      stop_listening(said.barge);
      out_->push_back(command::StopPlay{said.play});
      return;
  }
}

// ------------------------------------------------------------------------------------------- voice

bool CallSession::stops(const Barge& barge, BargeIn by) const {
  return (barge.by == by || barge.by == BargeIn::both) && now_ >= barge.from;
}

CallSession::Said* CallSession::prompting() {
  Said* said = nullptr;
  if (auto* playing = std::get_if<Playing>(&operation_)) said = &playing->said;
  if (auto* collect = std::get_if<Collecting>(&operation_); collect != nullptr && collect->said.play != 0)
    said = &collect->said;
  return said == nullptr || said->stopping || said->at_mark ? nullptr : said;
}

void CallSession::stop_listening(Barge& barge) {
  if (std::exchange(barge.listening, false)) out_->push_back(command::DetectVoice{false});
  if (std::exchange(barge.speaking, false)) disarm();
}

void CallSession::on_voice(bool began) {
  if (Said* said = prompting(); said != nullptr && said->barge.listening) {
    said->barge.speaking = began;
    if (began) {
      arm(std::max<Micros>(said->barge.min_speech, said->barge.from - now_));
    } else {
      disarm();
    }
    return;
  }
  auto* listen = std::get_if<Listening>(&operation_);
  if (listen == nullptr) return;
  if (began && !listen->heard) {
    listen->heard = true;
    listen->after = since(listen->since);
  }
  if (listen->heard && began != listen->until_silence) {
    out_->push_back(command::DetectVoice{false});
    finish(outcome::Listened{true, listen->after});
  }
}

void CallSession::take_digit(Collecting& collect, char digit) {
  stop_listening(collect.said.barge);
  stop_play(collect.said.play);
  if (contains(collect.want.terminators, digit)) {
    settle_collect(collect, outcome::CollectEnd::terminator, digit);
    return;
  }
  collect.redacted |= digit == '?';
  collect.digits.push_back(digit);
  const bool full = static_cast<int>(collect.digits.size()) >= collect.want.max ||
                    (collect.want.map && !collect.want.map->judge(collect.digits).more);
  if (full) {
    settle_collect(collect, outcome::CollectEnd::full, 0);
  } else {
    arm(collect.want.digit_timeout);
  }
}

void CallSession::feed_queue() {
  while (!queued_.empty()) {
    auto* collect = std::get_if<Collecting>(&operation_);
    if (collect == nullptr) return;
    char digit = queued_.front();
    queued_.pop_front();
    if (!revealing_.empty()) {
      digit = revealing_.front();
      revealing_.erase(0, 1);
    }
    if (options_.secret_type_ahead) revealed_.push_back(sensitive(digit) ? '?' : digit);
    take_digit(*collect, digit);
  }
}

void CallSession::settle_collect(Collecting& collect, outcome::CollectEnd end, char terminator) {
  finish(outcome::Collected{std::move(collect.digits), end, terminator, collect.redacted});
}

}  // namespace ivr
