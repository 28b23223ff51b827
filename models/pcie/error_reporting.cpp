#include "pcie/error_reporting.h"

namespace rdu::pcie {
namespace {

constexpr uint32_t kUncorrectable = Aer::kDataLinkProtocol | Aer::kPoisoned | Aer::kCompletionTimeout |
                                    Aer::kUnexpectedCompletion | Aer::kMalformed | Aer::kUnsupportedRequest |
                                    Aer::kInternal;
constexpr uint32_t kCorrectable = Aer::kReceiver | Aer::kBadTlp | Aer::kBadDllp | Aer::kReplayRollover |
                                  Aer::kReplayTimeout | Aer::kAdvisoryNonFatal;
constexpr uint32_t kFatalByDefault = Aer::kDataLinkProtocol | Aer::kMalformed | Aer::kInternal;
constexpr uint32_t kPointer = 0x1f;  // of control
constexpr uint32_t kAll = 0xffffffff;

BitRights rw1cs(uint32_t mask) {
  return {0, mask, mask, 0};
}
BitRights rws(uint32_t mask) {
  return {mask, 0, mask, 0};
}
BitRights ros(uint32_t mask) {
  return {0, 0, mask, 0};
}

unsigned index_of(uint32_t bit) {
  unsigned index = 0;
  while (bit >> index != 1) ++index;
  return index;
}

}  // namespace

Aer::Aer(uint16_t next)
    : ConfigRegisters(kSize),
      header(*this, 0x00, 4, extended_header(0x0001, 2, next)),
      uncorrectable_status(*this, 0x04, 4, 0, rw1cs(kUncorrectable)),
      uncorrectable_mask(*this, 0x08, 4, kInternal, rws(kUncorrectable)),
      uncorrectable_severity(*this, 0x0c, 4, kFatalByDefault, rws(kUncorrectable)),
      correctable_status(*this, 0x10, 4, 0, rw1cs(kCorrectable)),
      correctable_mask(*this, 0x14, 4, kAdvisoryNonFatal, rws(kCorrectable)),
      control(*this, 0x18, 4, 0, ros(kPointer)),
      header_log{Register(*this, 0x1c, 4, 0, ros(kAll)), Register(*this, 0x20, 4, 0, ros(kAll)),
                 Register(*this, 0x24, 4, 0, ros(kAll)), Register(*this, 0x28, 4, 0, ros(kAll))} {
  reset(Reset::power_on);
}

void Aer::record(uint32_t error, const std::array<uint32_t, 4>& tlp) {
  control.set_value(index_of(error));
  for (size_t i = 0; i < tlp.size(); ++i) header_log[i].set_value(tlp[i]);
  holds_error_ = true;
}

/// The pointer is valid until software clears the status bit that it points at.
void Aer::written() {
  if (!uncorrectable_status.any(1u << (control.value() & kPointer))) holds_error_ = false;
}

void Aer::was_reset(Reset kind) {
  if (kind == Reset::power_on) holds_error_ = false;
}

/// Is a message of this kind (a reporting enable of Device Control) wanted?
bool ErrorReporting::reports(uint32_t kind, uint32_t error) const {
  const bool wanted = express_.device_control.any(kind) &&
                      (error != Aer::kUnsupportedRequest ||
                       express_.device_control.any(Express::kUnsupportedRequestReporting));
  // SERR# enable of the COMMAND register does the same for uncorrectable errors.
  return wanted || (kind != Express::kCorrectableReporting && header_.command.any(Header::kSerr));
}

ErrorMessage ErrorReporting::uncorrectable(uint32_t error, const Tlp& tlp, bool advisory) {
  const bool is_fatal = aer_.uncorrectable_severity.any(error);
  if (error == Aer::kUnsupportedRequest) express_.device_status.set(Express::kUnsupportedRequestDetected);
  if (error == Aer::kPoisoned) header_.status.set(Header::kDetectedParityError);

  if (advisory && !is_fatal) {
    express_.device_status.set(Express::kCorrectableDetected);
    aer_.correctable_status.set(Aer::kAdvisoryNonFatal);
    if (aer_.correctable_mask.any(Aer::kAdvisoryNonFatal)) return ErrorMessage::none;
    aer_.uncorrectable_status.set(error);
    if (aer_.uncorrectable_mask.any(error)) return ErrorMessage::none;
    if (!aer_.holds_error()) aer_.record(error, tlp);
    return reports(Express::kCorrectableReporting, error) ? ErrorMessage::correctable : ErrorMessage::none;
  }

  express_.device_status.set(is_fatal ? Express::kFatalDetected : Express::kNonFatalDetected);
  aer_.uncorrectable_status.set(error);
  if (aer_.uncorrectable_mask.any(error)) return ErrorMessage::none;
  if (!aer_.holds_error()) aer_.record(error, tlp);
  if (!reports(is_fatal ? Express::kFatalReporting : Express::kNonFatalReporting, error))
    return ErrorMessage::none;
  if (header_.command.any(Header::kSerr)) header_.status.set(Header::kSignaledSystemError);
  return is_fatal ? ErrorMessage::fatal : ErrorMessage::non_fatal;
}

}  // namespace rdu::pcie
