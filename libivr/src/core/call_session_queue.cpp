#include <utility>

#include "ivr/call_session.hpp"

// A call that talks with another call: a caller in a queue, and the agent's call that serves.

namespace ivr {
namespace {

Prompts music(const Prompts& chosen, std::string of = {}) {
  if (!chosen.empty() && of.empty()) return chosen;
  return {Prompt{Prompt::Kind::music, std::move(of), {}, {}, Millis{0}, false}};
}

}  // namespace

// ---------------------------------------------------------------------------------------- the wait

void CallSession::join_queue(const intent::Queue& want) {
  auto& queueing = operation_.emplace<Queueing>();
  queueing.want = want;
  queueing.from = now_;
  queued_.clear();  // a key pressed before he was told of the exit keys is none
  out_->push_back(command::JoinQueue{want});
  entertain(queueing);
  if (want.max_wait > Millis{0}) arm(want.max_wait);
}

// Plays what is to be said, or, when that is over, the hold music.
void CallSession::entertain(Queueing& queueing) {
  queueing.saying = !std::exchange(queueing.saying, false) && !queueing.want.say.empty();
  queueing.play = queueing.saying ? play(queueing.want.say, 1) : play_music(music(queueing.want.hold));
}

// The script has heard QueueNews: it stays, or gives the place up, or (Callback) has it kept.
bool CallSession::stays_in_queue(const Intent& next) {
  auto& queueing = std::get<Queueing>(operation_);
  const auto* again = std::get_if<intent::Queue>(&next);
  if (again != nullptr && again->queue == queueing.want.queue) {
    const bool other_music = !queueing.saying && again->hold != queueing.want.hold;
    queueing.want = *again;
    disarm();
    if (again->max_wait > Millis{0}) deadline_ = queueing.from + again->max_wait;  // since he joined
    if (again->say.empty() && !other_music) return true;  // the music goes on as if nothing had been
    stop_play(queueing.play);
    queueing.saying = false;
    entertain(queueing);
    return true;
  }
  stop_play(queueing.play);
  if (!std::holds_alternative<intent::Callback>(next)) {
    out_->push_back(command::LeaveQueue{});
    operation_ = std::monostate{};
  }
  return false;
}

void CallSession::on_queue_announced(const event::QueueAnnounced& announced) {
  const auto* queueing = std::get_if<Queueing>(&operation_);
  if (queueing == nullptr || queueing->phase != Queueing::Phase::waiting) return;
  outcome_ = announced.news;  // the intent stays open until the script has answered
}

void CallSession::leave_queue_by(Queueing& queueing, char key) {
  stop_play(queueing.play);
  out_->push_back(command::LeaveQueue{.key = true, .digit = key});
  finish(outcome::Queued{.end = outcome::QueueEnd::key, .waited = since(queueing.from), .key = key});
}

void CallSession::on_queue_tick(Queueing& queueing) {
  if (queueing.phase == Queueing::Phase::talking) {
    out_->push_back(command::Part{});  // Unbridged follows
    return;
  }
  stop_play(queueing.play);
  out_->push_back(command::LeaveQueue{.timeout = true});
  finish(outcome::Queued{.end = outcome::QueueEnd::timeout, .waited = since(queueing.from)});
}

void CallSession::on_queue_left(const event::QueueLeft& left) {
  auto* queueing = std::get_if<Queueing>(&operation_);
  if (queueing == nullptr || queueing->phase != Queueing::Phase::waiting) return;
  stop_play(queueing->play);
  finish(outcome::Queued{.end = left.end, .tried = left.tried, .waited = left.waited});
}

void CallSession::request_callback(const intent::Callback& want) {
  operation_ = CallingBack{std::holds_alternative<Queueing>(operation_)};
  out_->push_back(command::RequestCallback{want.number});
}

void CallSession::on_callback_taken(const event::CallbackTaken& callback) {
  const auto* calling = std::get_if<CallingBack>(&operation_);
  if (calling == nullptr) return;
  if (calling->waits && !callback.taken) out_->push_back(command::LeaveQueue{});
  finish(outcome::CallbackTaken{callback.taken});
}

// ---------------------------------------------------------------------------------------- the talk

void CallSession::serve() {
  queued_.clear();
  if (bridged_early_) {
    operation_ = Serving{.talking = true, .from = *std::exchange(bridged_early_, std::nullopt)};
  } else if (offered_) {
    tell_offered();
  } else {
    operation_ = Serving{};
    out_->push_back(command::Serve{});
  }
}

void CallSession::tell_offered() {
  const event::Offered offered = *std::exchange(offered_, std::nullopt);
  finish(outcome::Offered{offered.whisper, offered.accept_keys});
}

// One who declines a caller that has been taken back since hears of the next.
void CallSession::decline() {
  if (offered_) return tell_offered();
  operation_ = Serving{};
  out_->push_back(command::Decline{});
}

void CallSession::on_offered(const event::Offered& offered) {
  offered_ = offered;
  if (const auto* serving = std::get_if<Serving>(&operation_); serving != nullptr && !serving->talking)
    tell_offered();
}

void CallSession::on_bridged(const event::Bridged& bridged) {
  if (auto* serving = std::get_if<Serving>(&operation_)) {
    stop_play(serving->play);
    if (!std::exchange(serving->talking, true)) serving->from = now_;
    return;
  }
  auto* queueing = std::get_if<Queueing>(&operation_);
  if (queueing == nullptr) {  // the next caller of an open line, before the last talk's end has been told
    bridged_early_ = now_;
    return;
  }
  if (queueing->phase == Queueing::Phase::stopping) return;
  stop_play(queueing->play);
  queueing->saying = false;
  if (!bridged.agent.empty()) queueing->result.agent = bridged.agent;
  if (queueing->phase == Queueing::Phase::talking) return;  // somebody else goes on with the same talk
  queueing->phase = Queueing::Phase::talking;
  queueing->from = now_;
  queueing->result.waited = bridged.waited;
  queueing->result.tried = bridged.tried;
  if (!answered_) {  // he waited on early media
    answered_ = true;
    out_->push_back(command::Answer{});
  }
  if (queueing->want.record) {
    queueing->record = next_record_++;
    ++open_records_;
    out_->push_back(command::StartRecord{queueing->record, "talk", true, Millis{0}, Millis{0},
                                         queueing->want.record_digits});
  }
  disarm();
  if (queueing->want.max_talk > Millis{0}) arm(queueing->want.max_talk);
}

void CallSession::on_unbridged(const event::Unbridged& unbridged) {
  bridged_early_.reset();
  if (auto* serving = std::get_if<Serving>(&operation_)) {
    stop_play(serving->play);
    finish(outcome::Served{serving->talking ? since(serving->from) : Millis{0}});
    return;
  }
  auto* queueing = std::get_if<Queueing>(&operation_);
  if (queueing == nullptr || queueing->phase != Queueing::Phase::talking) return;
  stop_play(queueing->play);
  disarm();
  auto& result = queueing->result;
  result.end = unbridged.target.empty() ? outcome::QueueEnd::served : outcome::QueueEnd::transferred;
  result.target = unbridged.target;
  result.by_agent = unbridged.by_other;
  result.talked = since(queueing->from);
  queueing->phase = Queueing::Phase::stopping;
  if (queueing->record != 0) {
    out_->push_back(command::StopRecord{queueing->record});
  } else {
    finish(result);
  }
}

void CallSession::on_peer_held(const event::PeerHeld& peer) {
  const auto let_hear = [&](PlayId& playing, const Prompts& hold) {
    if (!peer.held) {
      stop_play(playing);
    } else if (playing == 0) {
      playing = play_music(music(hold, peer.music));
    }
  };
  if (auto* serving = std::get_if<Serving>(&operation_)) {
    if (serving->talking) let_hear(serving->play, {});
  } else if (auto* queueing = std::get_if<Queueing>(&operation_)) {
    if (queueing->phase == Queueing::Phase::talking) let_hear(queueing->play, queueing->want.hold);
  }
}

}  // namespace ivr
