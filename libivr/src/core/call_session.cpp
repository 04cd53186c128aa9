#include "ivr/call_session.hpp"

#include <algorithm>
#include <utility>

namespace ivr {
namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

// How long past its own time-out an HTTP exchange may stay silent before the session answers in its place.
constexpr Millis kHttpGrace = 1s;
// A script that asks for more than this without anything happening outside would spin for ever.
constexpr int kMaxIntentsAStep = 1000;
// How long a script may go on after the end: the call's record waits for it.
constexpr Millis kLinger = 30s;

bool needs_nobody(const Intent& intent) {
  return std::holds_alternative<intent::Fetch>(intent) || std::holds_alternative<intent::Wait>(intent) ||
         std::holds_alternative<intent::AgentStatus>(intent);
}

}  // namespace

CallSession::CallSession(std::unique_ptr<Script> script, const CallSessionOptions& options)
    : script_(std::move(script)), options_(options) {}

void CallSession::step(const Event& event, Time now, Commands& out) {
  if (state_ == State::over) return;
  now_ = now;
  out_ = &out;
  revealed_.clear();
  handle(event);
  run_script();
  if (!leg_up_ && open_records_ == 0 && !lingers_until_) {
    state_ = State::over;
    disarm();
  }
  out_ = nullptr;
  revealing_.clear();
}

void CallSession::handle(const Event& event) {
  std::visit(
      Overload{
          [&](const event::Invited& invited) {
            call_ = invited.call;
            if (call_.direction == Direction::inbound) {
              state_ = State::ringing;
              if (options_.answer_later) {  // the script hears of the call now, and the caller the script
                out_->push_back(command::Ring{});
                come_up();
              } else {
                answered_ = true;
                out_->push_back(command::Answer{});
              }
            } else {
              state_ = State::dialing;
              out_->push_back(command::Dial{0, call_.called_uri, call_.caller_uri});
            }
          },
          [&](const event::Established&) {
            if (state_ == State::ringing || state_ == State::dialing) {
              answered_ = true;
              come_up();
            } else if (state_ != State::up) {
              return;
            } else if (std::holds_alternative<Answering>(operation_)) {
              finish(outcome::Answered{});
            }
            start_call_record();
          },
          [&](const event::DigitHeard& heard) {
            if (state_ == State::up) on_digit(heard.digit);
          },
          [&](const event::PlayEnded& ended) { on_play_ended(ended); },
          [&](const event::RecordEnded& ended) { on_record_ended(ended); },
          [&](const event::HttpReplied& replied) {
            auto* fetch = std::get_if<Fetching>(&operation_);
            if (fetch == nullptr || fetch->request != replied.request) return;
            stop_play(fetch->play);
            finish(outcome::Fetched{replied.reply});
          },
          [&](const event::DigitsSent&) {
            if (std::holds_alternative<SendingDigits>(operation_)) finish(outcome::DigitsSent{});
          },
          [&](const event::VoiceBegan&) { on_voice(true); },
          [&](const event::VoiceEnded&) { on_voice(false); },
          [&](const event::LegRinging& ringing) { on_leg_ringing(ringing); },
          [&](const event::LegAnswered& answered) { on_leg_answered(answered); },
          [&](const event::LegEnded& ended) { on_leg_ended(ended); },
          [&](const event::LegReferred& referred) { on_leg_referred(referred); },
          [&](const event::QueueAnnounced& announced) { on_queue_announced(announced); },
          [&](const event::QueueLeft& left) { on_queue_left(left); },
          [&](const event::CallbackTaken& callback) { on_callback_taken(callback); },
          [&](const event::AgentStatusSet& set) {
            if (std::holds_alternative<SettingStatus>(operation_))
              finish(outcome::AgentStatusSet{set.ok, set.agent, set.state});
          },
          [&](const event::Bridged& bridged) { on_bridged(bridged); },
          [&](const event::Unbridged& unbridged) { on_unbridged(unbridged); },
          [&](const event::Offered& offered) { on_offered(offered); },
          [&](const event::ReferProgress& progress) { on_refer_progress(progress.status); },
          [&](const event::PeerHeld& peer) { on_peer_held(peer); },
          [&](const event::MediaLost&) {
            if (state_ != State::up || !answered_) return;  // nobody needs to send before the answer
            dismiss("no audio from the caller", 480);
            end_call(outcome::EndedBy::system, "media lost");
          },
          [&](const event::Stop& stop) {
            if (state_ == State::ending) return;
            dismiss(stop.reason, 503);
            end_call(outcome::EndedBy::system, stop.reason);
          },
          [&](const event::Tick&) {
            if (deadline_ && now_ >= *deadline_) {
              disarm();
              on_tick();
            }
          },
      },
      event);
}

// Asks the script what to do about each outcome, until an intent waits for the outside.
void CallSession::run_script() {
  for (int asked = 0; outcome_; ++asked) {
    const Outcome told = *std::exchange(outcome_, std::nullopt);
    output_.clear();
    script_->step(told, now_, output_);
    for (Note& note : output_.notes) {
      if (const auto* chosen = std::get_if<note::LanguageChosen>(&note)) summary_.language = chosen->language;
      out_->push_back(command::Report{std::move(note)});
    }
    if (state_ != State::up) {
      if (!lingers_until_) return;  // it has yet to hear that the call has ended: what it wants is void
      if (asked == kMaxIntentsAStep) output_.intent.clear();
      linger();
      continue;
    }
    if (output_.intent.size() != 1 || asked == kMaxIntentsAStep) {
      dismiss("script error", 500);
      end_call(outcome::EndedBy::system, asked == kMaxIntentsAStep ? "script wants 1000 things at one instant"
                                                                   : "script wants nothing");
      continue;
    }
    begin(output_.intent.front());
  }
}

// After the end: what the script still wants, when that needs nobody and there is time.
void CallSession::linger() {
  if (output_.intent.size() != 1 || !needs_nobody(output_.intent.front()) || now_ >= *lingers_until_) {
    lingers_until_.reset();
    disarm();
    return;
  }
  if (auto* fetch = std::get_if<intent::Fetch>(&output_.intent.front())) fetch->filler.clear();
  begin(output_.intent.front());
  deadline_ = std::min(deadline_.value_or(*lingers_until_), *lingers_until_);
}

void CallSession::begin(const Intent& intent) {
  if (std::holds_alternative<Queueing>(operation_) && stays_in_queue(intent)) return;
  std::visit(Overload{
                 [&](const intent::Play& want) {
                   // Whoever has typed ahead does not want to listen.
                   const bool by_key = want.barge_in == BargeIn::digits || want.barge_in == BargeIn::both;
                   if (by_key && want.barge_at == BargeAt::once && !queued_.empty()) {
                     finish(outcome::Played{outcome::PlayEnd::interrupted, Millis{0}, {}});
                   } else if (want.prompts.empty()) {
                     finish(outcome::Played{});
                   } else {
                     operation_ = Playing{say(want, want.loops)};
                   }
                 },
                 [&](const intent::Collect& want) {
                   auto& collect = operation_.emplace<Collecting>();
                   collect.want = want;
                   if (!want.carry) queued_.clear();
                   if ((queued_.empty() || want.barge_at != BargeAt::once) && !want.prompts.empty()) {
                     collect.said = say(want, 1);
                     return;
                   }
                   arm(want.first_timeout);
                   feed_queue();
                 },
                 [&](const intent::Record& want) {
                   auto& recording = operation_.emplace<Recording>();
                   recording.want = want;
                   queued_.clear();  // a key pressed before the beep must not end what follows it
                   if (!want.prompts.empty()) {
                     recording.play = play(want.prompts, 1);
                   } else {
                     start_recording(recording);
                   }
                 },
                 [&](const intent::Fetch& want) {
                   auto& fetch = operation_.emplace<Fetching>();
                   fetch.request = next_request_++;
                   fetch.secrets = want.request.secret_reply;
                   fetch.filler = want.filler;
                   fetch.give_up = now_ + want.request.timeout + kHttpGrace;
                   out_->push_back(command::Fetch{fetch.request, want.request});
                   deadline_ = want.filler.empty()
                                   ? fetch.give_up
                                   : std::min(fetch.give_up, now_ + Micros(want.filler_after));
                 },
                 [&](const intent::Transfer& want) { begin_transfer(want); },
                 [&](const intent::Wait& want) {
                   if (want.duration <= Millis{0}) {
                     finish(outcome::Waited{});
                   } else {
                     operation_ = Waiting{};
                     arm(want.duration);
                   }
                 },
                 [&](const intent::SendDigits& want) {
                   if (want.digits.empty()) {
                     finish(outcome::DigitsSent{});
                     return;
                   }
                   operation_ = SendingDigits{want.secret};
                   out_->push_back(command::SendDigits{want.digits, want.tone, want.gap, want.secret});
                 },
                 [&](const intent::Listen& want) {
                   operation_ = Listening{want.until_silence, now_};
                   out_->push_back(command::DetectVoice{true});
                   arm(want.timeout);
                 },
                 [&](const intent::Answer&) {
                   if (answered_) {
                     finish(outcome::Answered{});
                   } else {
                     answered_ = true;
                     operation_ = Answering{};
                     out_->push_back(command::Answer{});
                   }
                 },
                 [&](const intent::Queue& want) { join_queue(want); },
                 [&](const intent::Callback& want) { request_callback(want); },
                 [&](const intent::Serve&) { serve(); },
                 [&](const intent::Decline&) { decline(); },
                 [&](const intent::AgentStatus& want) {
                   operation_ = SettingStatus{};
                   out_->push_back(command::AgentStatus{want});
                 },
                 [&](const intent::Hangup& want) {
                   dismiss(want.reason, want.status);
                   end_call(outcome::EndedBy::script, want.reason);
                 },
             },
             intent);
}

void CallSession::finish(Outcome outcome) {
  operation_ = std::monostate{};
  disarm();
  outcome_ = std::move(outcome);
}

void CallSession::come_up() {
  state_ = State::up;
  outcome_ = outcome::Started{call_};
}

// Lets leg 0 go: with that status when it was not answered (RFC 3261, 13.3.1.3), else with BYE.
void CallSession::dismiss(std::string reason, int status) {
  if (call_.direction == Direction::inbound && !answered_) {
    out_->push_back(command::Reject{status, reason == "normal" ? std::string() : std::move(reason)});
  } else {
    out_->push_back(command::Drop{0, std::move(reason)});
  }
}

void CallSession::start_call_record() {
  if (!options_.record) return;
  call_record_ = next_record_++;
  ++open_records_;
  out_->push_back(
      command::StartRecord{call_record_, "call", true, Millis{0}, Millis{0}, options_.record_digits});
}

PlayId CallSession::play(Prompts prompts, int loops) {
  const PlayId id = next_play_++;
  out_->push_back(command::Play{id, std::move(prompts), loops, Millis{0}});
  return id;
}

PlayId CallSession::play_music(Prompts music) {
  if (music != music_.prompts) music_ = {std::move(music), 0, Millis{0}};
  music_.play = next_play_++;
  out_->push_back(command::Play{music_.play, music_.prompts, 0, music_.heard});
  return music_.play;
}

void CallSession::stop_play(PlayId& play) {
  if (play != 0) out_->push_back(command::StopPlay{std::exchange(play, 0)});
}

// --------------------------------------------------------------------------------- what plays ends

void CallSession::on_play_ended(const event::PlayEnded& ended) {
  if (ended.play == music_.play) music_.heard += ended.heard;
  if (auto* playing = std::get_if<Playing>(&operation_)) {
    Said& said = playing->said;
    if (said.play != ended.play || goes_on(said, ended)) return;
    stop_listening(said.barge);
    const bool whole =
        ended.completed && (said.parts.empty() || (said.part == said.parts.size() && said.rounds == 1));
    const auto end = !ended.error.empty() ? outcome::PlayEnd::failed
                     : whole              ? outcome::PlayEnd::completed
                                          : outcome::PlayEnd::interrupted;
    finish(outcome::Played{end, said.heard, ended.error});
  } else if (auto* collect = std::get_if<Collecting>(&operation_)) {
    if (collect->said.play != ended.play || goes_on(collect->said, ended)) return;
    stop_listening(collect->said.barge);
    collect->said.play = 0;
    arm(collect->want.first_timeout);
    feed_queue();  // what was pressed while the prompt was not to be stopped
  } else if (auto* recording = std::get_if<Recording>(&operation_)) {
    if (recording->play != ended.play) return;
    recording->play = 0;
    if (!ended.error.empty()) {
      finish(outcome::Recorded{{}, Millis{0}, outcome::RecordEnd::failed, 0, ended.error});
    } else {
      start_recording(*recording);
    }
  } else if (auto* queueing = std::get_if<Queueing>(&operation_)) {
    if (queueing->play != ended.play) return;
    queueing->play = 0;
    if (queueing->saying) entertain(*queueing);
  } else if (auto* serving = std::get_if<Serving>(&operation_)) {
    if (serving->play == ended.play) serving->play = 0;
  }
}

void CallSession::start_recording(Recording& recording) {
  if (recording.phase == Recording::Phase::prompt && recording.want.beep) {
    recording.phase = Recording::Phase::beep;
    recording.play = play({Prompt{Prompt::Kind::tone, "beep"}}, 1);
    return;
  }
  recording.phase = Recording::Phase::recording;
  recording.record = next_record_++;
  ++open_records_;
  out_->push_back(
      command::StartRecord{recording.record, recording.want.name.empty() ? "message" : recording.want.name,
                           false, recording.want.max, recording.want.silence, recording.want.record_digits});
}

void CallSession::on_record_ended(const event::RecordEnded& ended) {
  --open_records_;
  if (call_record_ == ended.record) call_record_ = 0;
  if (!ended.file.empty()) summary_.recording = ended.file;
  if (auto* recording = std::get_if<Recording>(&operation_);
      recording != nullptr && recording->record == ended.record) {
    auto end = ended.end;
    if (ended.error.empty()) {
      if (!leg_up_) {
        end = outcome::RecordEnd::hangup;
      } else if (recording->key != 0) {
        end = outcome::RecordEnd::finish_key;
      }
    }
    finish(outcome::Recorded{ended.file, ended.length, end, recording->key, ended.error});
    if (!leg_up_) {  // tell the script what the caller left behind, then that he is gone
      run_script();
      leave();
    }
    return;
  }
  if (auto* transfer = std::get_if<Transferring>(&operation_);
      transfer != nullptr && transfer->record == ended.record) {
    transfer->result.recording = ended.file;
    transfer->record = 0;
    if (transfer->phase == Transferring::Phase::stopping) finish(transfer->result);
  }
  if (auto* queueing = std::get_if<Queueing>(&operation_);
      queueing != nullptr && queueing->record == ended.record) {
    queueing->result.recording = ended.file;
    queueing->record = 0;
    if (queueing->phase == Queueing::Phase::stopping) finish(queueing->result);
  }
}

// We end it: leg 0 has been told to go, its end will come.
void CallSession::end_call(outcome::EndedBy by, std::string reason) {
  summary_.ended_by = by;
  summary_.reason = std::move(reason);
  if (call_record_ != 0) out_->push_back(command::StopRecord{std::exchange(call_record_, 0)});
  if (auto* recording = std::get_if<Recording>(&operation_);
      recording != nullptr && recording->phase == Recording::Phase::recording) {
    out_->push_back(command::StopRecord{recording->record});
  }
  leave();
}

// Closes what the open intent holds and tells the script that the call is over.
void CallSession::leave() {
  state_ = State::ending;
  if (auto* fetch = std::get_if<Fetching>(&operation_)) {
    out_->push_back(command::CancelFetch{fetch->request});
  } else if (auto* transfer = std::get_if<Transferring>(&operation_)) {
    if (transfer->record != 0 && transfer->phase != Transferring::Phase::stopping) {
      out_->push_back(command::StopRecord{transfer->record});
    }
    if (transfer->leg != 0) out_->push_back(command::Drop{transfer->leg, "the caller has gone"});
    let_go(transfer->referrer);
  } else if (auto* queueing = std::get_if<Queueing>(&operation_)) {
    switch (queueing->phase) {
      case Queueing::Phase::waiting: out_->push_back(command::LeaveQueue{}); break;
      case Queueing::Phase::talking:  // whoever carries the bridge ends it with leg 0
        if (queueing->record != 0) out_->push_back(command::StopRecord{queueing->record});
        break;
      case Queueing::Phase::stopping: break;
    }
  }
  operation_ = std::monostate{};
  disarm();
  queued_.clear();
  outcome_ = outcome::Ended{summary_.ended_by, summary_.reason};
  lingers_until_ = now_ + kLinger;
}

void CallSession::on_tick() {
  if (lingers_until_ && now_ >= *lingers_until_) {
    if (const auto* fetch = std::get_if<Fetching>(&operation_))
      out_->push_back(command::CancelFetch{fetch->request});
    operation_ = std::monostate{};
    outcome_ = outcome::Ended{outcome::EndedBy::system, "the time after the call is up"};
    return;
  }
  if (Said* said = prompting(); said != nullptr && said->barge.speaking) {  // long enough to be meant
    interrupt(*said);
    if (auto* collecting = std::get_if<Collecting>(&operation_);
        collecting != nullptr && collecting->said.stopping) {
      collecting->said.play = 0;  // the answer is waited for from now on
      arm(collecting->want.first_timeout);
    }
    return;
  }
  if (auto* collect = std::get_if<Collecting>(&operation_)) {
    settle_collect(*collect,
                   collect->digits.empty() ? outcome::CollectEnd::no_input : outcome::CollectEnd::timeout, 0);
  } else if (auto* fetch = std::get_if<Fetching>(&operation_)) {
    if (now_ >= fetch->give_up) {
      stop_play(fetch->play);
      out_->push_back(command::CancelFetch{fetch->request});
      finish(outcome::Fetched{HttpReply{0, {}, "timeout: no answer from the HTTP port"}});
      return;
    }
    fetch->play = play(fetch->filler, 0);
    deadline_ = fetch->give_up;
  } else if (auto* transfer = std::get_if<Transferring>(&operation_);
             transfer != nullptr && transfer->phase == Transferring::Phase::referring) {
    end_transfer(*transfer, outcome::TransferEnd::no_answer, 0);
  } else if (transfer != nullptr) {
    out_->push_back(command::Drop{
        transfer->leg, transfer->phase == Transferring::Phase::dialing ? "no answer" : "talk limit"});
    end_transfer(*transfer,
                 transfer->phase == Transferring::Phase::dialing ? outcome::TransferEnd::no_answer
                                                                 : outcome::TransferEnd::completed,
                 0);
  } else if (auto* queueing = std::get_if<Queueing>(&operation_)) {
    on_queue_tick(*queueing);
  } else if (std::holds_alternative<Waiting>(operation_)) {
    finish(outcome::Waited{});
  } else if (auto* listen = std::get_if<Listening>(&operation_)) {
    out_->push_back(command::DetectVoice{false});
    finish(outcome::Listened{listen->heard, listen->after});
  }
}

}  // namespace ivr
