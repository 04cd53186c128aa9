#include "engine/recording.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace ivr {

// ------------------------------------------------------------------------------------------ chunks

std::ptrdiff_t ChunkPool::share(int tracks) noexcept {
  return tracks * (kStallSeconds * kSampleRateHz / static_cast<std::ptrdiff_t>(AudioChunk::kSamples) + 1);
}

void ChunkPool::grow(int tracks) {
  const auto wanted = wanted_.fetch_add(share(tracks)) + share(tracks);
  const auto most = std::min<std::ptrdiff_t>(wanted, kMost);
  while (made_.load() < most) {
    made_.fetch_add(1);
    auto chunk = std::make_unique<AudioChunk>();
    chunk->home = this;
    if (!free_.push(std::move(chunk))) {
      made_.fetch_sub(1);
      return;
    }
  }
}

void ChunkPool::shrink(int tracks) { wanted_.fetch_sub(share(tracks)); }

ChunkPtr ChunkPool::take() noexcept {
  ChunkPtr chunk;
  free_.pop(chunk);
  return chunk;
}

void ChunkPool::give_back(ChunkPtr chunk) {
  ChunkPool& home = *chunk->home;
  chunk->size = 0;
  if (home.made_.load() > home.wanted_.load() || !home.free_.push(std::move(chunk))) home.made_.fetch_sub(1);
}

// --------------------------------------------------------------------------------------- recording

Recording::Recording(StreamId stream, RecordId id, const RecordSpec& spec, ChunkPool& pool)
    : stream_(stream),
      id_(id),
      spec_(spec),
      most_(spec.max > 0ms ? spec.max.count() * kSampleRateHz / 1000
                           : std::numeric_limits<std::int64_t>::max()),
      pool_(&pool),
      voice_(*VoiceActivity::create()) {
  if (spec_.digits) return;
  Cutters made = make_cutters(tracks());
  equip(made);
  hide_digits(true);
}

Recording::Cutters Recording::make_cutters(int tracks) {
  Cutters made;
  for (int i = 0; i < tracks; ++i) made.push_back(std::make_unique<KeyCutter>(KeyCutter::kWholeDelay));
  return made;
}

int Recording::lacks_cutters() const noexcept {
  int lacks = 0;
  for (int i = 0; i < tracks(); ++i) lacks += tracks_[static_cast<std::size_t>(i)].cutter == nullptr;
  return lacks;
}

void Recording::equip(Cutters& from) noexcept {
  for (int i = 0; i < tracks(); ++i) {
    Track& t = tracks_[static_cast<std::size_t>(i)];
    if (t.cutter || from.empty()) continue;
    t.cutter = std::move(from.back());
    from.pop_back();
  }
}

void Recording::hide_digits(bool on) noexcept {
  assert(!on || lacks_cutters() == 0);
  if (!on) {
    shows_at_ = clock_ + kStillHidden;
    return;
  }
  shows_at_.reset();
  for (int i = 0; i < tracks(); ++i) {
    Track& t = tracks_[static_cast<std::size_t>(i)];
    if (!t.cutter) continue;
    if (!std::exchange(t.cuts, true)) t.stored_before = KeyCutter::kWholeDelay;
    t.cutter->cut(true);
  }
}

void Recording::move_to(ChunkPool& pool) {
  if (&pool == pool_) return;
  pool.grow(tracks());
  pool_->shrink(tracks());
  pool_ = &pool;
}

void Recording::stop(outcome::RecordEnd end) noexcept {
  if (over_) return;
  over_ = true;
  end_ = end;
}

bool Recording::next_chunk(int track, RecordHost& host) noexcept {
  Track& t = tracks_[static_cast<std::size_t>(track)];
  if (t.chunk && t.chunk->size < AudioChunk::kSamples) return true;
  if (t.chunk) host.write({this, track, std::move(t.chunk), nullptr});
  t.chunk = host.chunks().take();
  if (t.chunk) return true;
  starved_ = true;
  stop(outcome::RecordEnd::failed);
  return false;
}

void Recording::append(int track, std::span<const std::int16_t> pcm, Kind kind, RecordHost& host) noexcept {
  Track& t = tracks_[static_cast<std::size_t>(track)];
  pcm =
      pcm.first(std::min(pcm.size(), static_cast<std::size_t>(std::max<std::int64_t>(most_ - t.length, 0))));
  t.length += static_cast<std::int64_t>(pcm.size());
  if (t.cuts) {
    cut(track, pcm, kind, host);
  } else {
    store(track, pcm, host);
  }
}

void Recording::cut(int track, std::span<const std::int16_t> pcm, Kind kind, RecordHost& host) noexcept {
  Track& t = tracks_[static_cast<std::size_t>(track)];
  while (!pcm.empty()) {
    std::array<std::int16_t, kFrameSamples> buffer;
    const auto piece = std::span(buffer).first(std::min(pcm.size(), buffer.size()));
    std::copy_n(pcm.begin(), piece.size(), piece.begin());
    switch (kind) {
      case Kind::sound: t.cutter->process(piece); break;
      case Kind::hole: t.cutter->hole(piece); break;
    }
    const std::size_t old = std::min(t.stored_before, piece.size());
    t.stored_before -= old;
    store(track, piece.subspan(old), host);
    pcm = pcm.subspan(piece.size());
  }
}

void Recording::store(int track, std::span<const std::int16_t> pcm, RecordHost& host) noexcept {
  Track& t = tracks_[static_cast<std::size_t>(track)];
  while (!pcm.empty()) {
    if (!next_chunk(track, host)) {
      t.length -= static_cast<std::int64_t>(pcm.size());
      return;
    }
    const std::size_t n = std::min(pcm.size(), AudioChunk::kSamples - t.chunk->size);
    std::copy_n(pcm.begin(), n, t.chunk->samples.begin() + static_cast<std::ptrdiff_t>(t.chunk->size));
    t.chunk->size += n;
    pcm = pcm.subspan(n);
  }
}

void Recording::pad(int track, std::int64_t to, RecordHost& host) noexcept {
  static constexpr std::array<std::int16_t, 1024> kSilence{};
  const std::int64_t& length = tracks_[static_cast<std::size_t>(track)].length;
  to = std::min(to, most_);
  while (length < to && !starved_) {
    append(track,
           {kSilence.data(), static_cast<std::size_t>(std::min<std::int64_t>(to - length, kSilence.size()))},
           Kind::hole, host);
  }
}

// What is to be added to the track's time: 0 unless all packets of a second were too early or too late. One
// of them is what the network does, all of them is a clock.
std::int64_t Recording::correction(Track& track, std::int64_t behind) const noexcept {
  if (track.watched == 0) track.least_behind = track.most_behind = behind;
  track.least_behind = std::min(track.least_behind, behind);
  track.most_behind = std::max(track.most_behind, behind);
  if (++track.watched < kWatch) return 0;
  track.watched = 0;
  if (track.least_behind > kLive) return track.least_behind;
  if (track.most_behind < -kLive) return track.most_behind;
  return 0;
}

void Recording::put(int track, std::uint32_t timestamp, std::span<const std::int16_t> pcm,
                    RecordHost& host) noexcept {
  if (over_) return;
  Track& t = tracks_[static_cast<std::size_t>(track)];
  std::int64_t at = 0;
  if (t.anchored) {
    at = t.anchor + static_cast<std::int32_t>(timestamp - t.anchor_timestamp);
    // Another clock, or one that jumped.
    if (at > clock_ + kLag || at < t.length - 2 * kLag) t.anchored = false;
  }
  if (!t.anchored) {
    // A stream that was running begins at once; one that begins later stands where it came.
    const bool running = t.began && clock_ <= t.length + kLive;
    at = running ? t.length : std::max(t.length, clock_ - kFrameSamples);
    if (at > clock_ + kLag) return;  // faster than time: too much of it
    t.began = t.anchored = true;
    t.watched = 0;
  }
  at += correction(t, clock_ - at - static_cast<std::int64_t>(pcm.size()));
  t.anchor = at;  // anew with each packet, so that the 32 bits suffice
  t.anchor_timestamp = timestamp;
  pad(track, at, host);
  const std::int64_t overlap = t.length - at;
  if (overlap >= static_cast<std::int64_t>(pcm.size())) return;
  append(track, pcm.subspan(static_cast<std::size_t>(overlap)), Kind::sound, host);
  if (t.length >= most_) stop(outcome::RecordEnd::max_length);
}

void Recording::heard(std::uint32_t timestamp, std::span<const std::int16_t> pcm, RecordHost& host) noexcept {
  put(0, timestamp, pcm, host);
  heard_at_ = clock_;
  if (spec_.silence <= 0ms) return;
  voice_.process(pcm);
  if (voice_.silence_for() >= spec_.silence) stop(outcome::RecordEnd::silence);
}

void Recording::sent(std::uint32_t timestamp, std::span<const std::int16_t> pcm, RecordHost& host) noexcept {
  if (spec_.both_sides) put(1, timestamp, pcm, host);
}

void Recording::tick(RecordHost& host) noexcept {
  if (over_) return;
  if (failed_.load(std::memory_order_relaxed)) return stop(outcome::RecordEnd::failed);
  clock_ += kFrameSamples;
  if (spec_.digits && shows_at_ && clock_ >= *shows_at_) {
    shows_at_.reset();
    for (Track& t : tracks_) {
      if (t.cutter) t.cutter->cut(false);
    }
  }
  for (int i = 0; i < tracks(); ++i) {
    Track& t = tracks_[static_cast<std::size_t>(i)];
    if (t.length < clock_ - kLag) {
      pad(i, clock_ - kLag, host);
      t.anchored = false;
    }
  }
  // Nobody need send for the time to pass: packets that do not come are silence.
  if (spec_.silence > 0ms && clock_ - heard_at_ > kSampleRateHz / 5) {
    static constexpr std::array<std::int16_t, kFrameSamples> kNothing{};
    voice_.process(kNothing);
    if (voice_.silence_for() >= spec_.silence) return stop(outcome::RecordEnd::silence);
  }
  if (clock_ - kLive >= most_) stop(outcome::RecordEnd::max_length);
}

void Recording::finish(std::unique_ptr<Recording> recording, RecordHost& host) noexcept {
  Recording& r = *recording;
  r.stop(outcome::RecordEnd::finish_key);
  // A live track ends with its last packet, one that was silent with the clock; two are made equally long.
  std::int64_t length = 0;
  for (int i = 0; i < r.tracks(); ++i) {
    const std::int64_t of_track = r.tracks_[static_cast<std::size_t>(i)].length;
    length = std::max(length, of_track >= r.clock_ - kLive ? of_track : r.clock_);
  }
  if (r.end_ == outcome::RecordEnd::max_length) length = r.most_;
  for (int i = 0; i < r.tracks(); ++i) {
    Track& t = r.tracks_[static_cast<std::size_t>(i)];
    r.pad(i, length, host);
    static constexpr std::array<std::int16_t, KeyCutter::kWholeDelay> kAfter{};
    if (t.cuts) r.cut(i, kAfter, Kind::sound, host);  // what it still has comes out
    if (t.chunk) host.write({&r, i, std::move(t.chunk), nullptr});
  }
  r.length_ = r.tracks_[0].length;
  for (int i = 1; i < r.tracks(); ++i)
    r.length_ = std::min(r.length_, r.tracks_[static_cast<std::size_t>(i)].length);
  if (r.starved_) r.end_ = outcome::RecordEnd::failed;
  Recording* const named = recording.get();
  host.write({named, 0, nullptr, std::move(recording)});
}

}  // namespace ivr
