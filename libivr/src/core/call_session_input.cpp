#include <algorithm>
#include <string_view>
#include <utility>

#include "ivr/call_session.hpp"
#include "ivr/event_log.hpp"

// What comes from the other side, keys and voice: who takes it, what it stops, and whether it may be shown.

namespace ivr {
namespace {

bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

}  // namespace

bool CallSession::sensitive(char digit) const {
  if (const auto* collect = std::get_if<Collecting>(&operation_)) {
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
    if (collect->play != 0 && !stops(collect->barge, BargeIn::digits)) return;  // not while this prompt plays
    take_digit(*collect, digit);
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
  if (playing != nullptr && !stops(playing->barge, BargeIn::digits)) return;
  if (static_cast<int>(queued_.size()) >= options_.max_queued_digits) {
    ++summary_.dropped_digits;
    return;
  }
  queued_.push_back(digit);
  if (playing != nullptr && !playing->stopping) {
    playing->stopping = true;  // PlayEnded says how much was heard
    stop_listening(playing->barge);
    out_->push_back(command::StopPlay{playing->play});
  }
}

// ------------------------------------------------------------------------------------------- voice

CallSession::Barge CallSession::barge(BargeIn by, Millis grace, Millis min_speech) {
  Barge barge{by, now_ + grace, min_speech};
  barge.listening = by == BargeIn::speech || by == BargeIn::both;
  if (barge.listening) out_->push_back(command::DetectVoice{true});
  return barge;
}

bool CallSession::stops(const Barge& barge, BargeIn by) const {
  return (barge.by == by || barge.by == BargeIn::both) && now_ >= barge.from;
}

CallSession::Barge* CallSession::prompting() {
  if (auto* playing = std::get_if<Playing>(&operation_)) return playing->stopping ? nullptr : &playing->barge;
  auto* collect = std::get_if<Collecting>(&operation_);
  return collect != nullptr && collect->play != 0 ? &collect->barge : nullptr;
}

void CallSession::stop_listening(Barge& barge) {
  if (std::exchange(barge.listening, false)) out_->push_back(command::DetectVoice{false});
  if (std::exchange(barge.speaking, false)) disarm();
}

void CallSession::on_voice(bool began) {
  if (Barge* barge = prompting(); barge != nullptr && barge->listening) {
    barge->speaking = began;
    if (began) {
      arm(std::max<Micros>(barge->min_speech, barge->from - now_));
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
  stop_listening(collect.barge);
  stop_play(collect.play);
  if (contains(collect.want.terminators, digit)) {
    settle_collect(collect, outcome::CollectEnd::terminator, digit);
    return;
  }
  collect.redacted |= digit == '?';
  collect.digits.push_back(digit);
  if (static_cast<int>(collect.digits.size()) >= collect.want.max) {
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
