#pragma once
#ifdef IVR_WITH_ESPEAK
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ivr/ports.hpp"

namespace ivr {

struct EspeakOptions {
  int words_per_minute = 165;  // 80 to 450
};

// Speech by espeak-ng, at its own 22,050 Hz. There is one engine in a process, so all objects of this class
// take turns; a sentence takes a few milliseconds.
//
// language: BCP 47. "en" is American; a region that espeak-ng does not know is dropped, "ar-SA" is "ar".
// voice:    empty for the language's own; a variant of it, "f3"; or a voice, perhaps with a variant,
// "en-gb+f3". text:     UTF-8. Control characters and broken bytes are blanks, mark-up is read out as it
// stands, nothing but blanks
//           is no sample. At most 8 KiB and ten minutes of speech.
//
// The engine carries a little over from one sentence to the next: the same text again may come out
// longer or shorter by about a hundredth.
//
// Errors: NotFound naming the language or voice; InvalidArgument; Unavailable when the engine or its data is
// not there. Thread: any.
class EspeakSpeech : public SpeechPort {
 public:
  static absl::StatusOr<std::unique_ptr<EspeakSpeech>> create(const EspeakOptions& options = {});
  absl::StatusOr<Pcm> speak(std::string_view text, std::string_view language,
                            std::string_view voice) override;

 private:
  explicit EspeakSpeech(const EspeakOptions& options) : options_(options) {}

  EspeakOptions options_;
};

}  // namespace ivr
#endif
