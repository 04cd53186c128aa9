#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "core/dtmf_routines.hpp"
#include "ivr/dtmf.hpp"

namespace ivr {
namespace {

constexpr std::size_t kStretch = DtmfRoutines::kHops * DtmfSpectra::kHop;  // samples: 20 ms
constexpr std::size_t kMostEvents = 64;  // of a stretch: two a hop, and what a loss ends

}  // namespace

std::string_view to_string(DtmfKernel kernel) {
  switch (kernel) {
    case DtmfKernel::scalar: return "scalar";
    case DtmfKernel::avx2: return "avx2";
    case DtmfKernel::avx512: return "avx512";
    case DtmfKernel::neon: return "neon";
  }
  return "";
}

DtmfBank::DtmfBank() : DtmfBank(DtmfRoutines::best()) {}
DtmfBank::DtmfBank(const DtmfRoutines& routines) : routines_(&routines) { events_.reserve(kMostEvents); }

absl::StatusOr<DtmfBank> DtmfBank::create(DtmfKernel kernel) {
  const DtmfRoutines* routines = DtmfRoutines::find(kernel);
  if (routines != nullptr) return DtmfBank(*routines);
  std::string have;
  for (const DtmfKernel k : kernels()) have += (have.empty() ? "" : ", ") + std::string(to_string(k));
  return absl::UnavailableError("the DTMF kernel " + std::string(to_string(kernel)) +
                                " cannot be had here; there is " + have);
}

std::vector<DtmfKernel> DtmfBank::kernels() {
  std::vector<DtmfKernel> have;
  for (const DtmfKernel kernel : {DtmfKernel::avx512, DtmfKernel::avx2, DtmfKernel::neon, DtmfKernel::scalar})
    if (DtmfRoutines::find(kernel) != nullptr) have.push_back(kernel);
  return have;
}

DtmfKernel DtmfBank::kernel() const noexcept { return routines_->kernel; }

void DtmfBank::process(std::span<const DtmfPiece> pieces, std::vector<DtmfHeard>& out) noexcept {
  alignas(32) std::int16_t expanded[kStretch];
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    // What is needed of the channels after it is on its way from memory meanwhile.
    if (i + 4 < pieces.size()) pieces[i + 4].detector->fetch_state();
    if (i + 2 < pieces.size()) pieces[i + 2].detector->fetch_hops();
    const DtmfPiece& piece = pieces[i];
    DtmfDetector& detector = *piece.detector;
    const auto report = [&] {
      for (const DtmfEvent& event : events_) out.push_back({i, event});
      events_.clear();
    };
    if (piece.lost > 0) {
      detector.lost(piece.lost, events_);
      if (!events_.empty()) report();
    }
    const auto hear = [&](std::span<const std::int16_t> stretch) {
      if (stretch.size() == kStretch && detector.staged_count_ == 0)
        detector.hear(stretch.data(), DtmfRoutines::kHops, *routines_, events_);
      else
        detector.process(stretch, *routines_, events_);
      if (!events_.empty()) report();
    };
    for (auto pcm = piece.pcm; !pcm.empty(); pcm = pcm.subspan(std::min(pcm.size(), kStretch)))
      hear(pcm.first(std::min(pcm.size(), kStretch)));
    const auto expand = [&](std::span<const std::uint8_t> bytes, auto into) {
      for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kStretch))) {
        const auto stretch = bytes.first(std::min(bytes.size(), kStretch));
        into(stretch, expanded);
        hear({expanded, stretch.size()});
      }
    };
    if (!piece.ulaw.empty()) expand(piece.ulaw, routines_->from_ulaw);
    if (!piece.alaw.empty()) expand(piece.alaw, routines_->from_alaw);
  }
}

}  // namespace ivr
