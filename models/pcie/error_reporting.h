#pragma once

#include <array>
#include <cstdint>

#include "pcie/capabilities.h"

namespace rdu::pcie {

/// Advanced error reporting capability (7.8.4), version 2, without ECRC and multiple headers.
class Aer : public ConfigRegisters {
 public:
  explicit Aer(uint16_t next);

  static constexpr size_t kSize = 0x48;
  /// The errors that the function can find, as bits of the uncorrectable registers.
  static constexpr uint32_t kDataLinkProtocol = 1u << 4, kPoisoned = 1u << 12, kCompletionTimeout = 1u << 14,
                            kUnexpectedCompletion = 1u << 16, kMalformed = 1u << 18,
                            kUnsupportedRequest = 1u << 20, kInternal = 1u << 22;
  /// And of the correctable ones.
  static constexpr uint32_t kReceiver = 1u << 0, kBadTlp = 1u << 6, kBadDllp = 1u << 7,
                            kReplayRollover = 1u << 8, kReplayTimeout = 1u << 12,
                            kAdvisoryNonFatal = 1u << 13;

  Register header;
  Register uncorrectable_status, uncorrectable_mask, uncorrectable_severity;
  Register correctable_status, correctable_mask;
  Register control;  ///< First Error Pointer
  std::array<Register, 4> header_log;

  /// The first error is still in the log: nothing is recorded over it.
  bool holds_error() const { return holds_error_; }
  void record(uint32_t error, const std::array<uint32_t, 4>& tlp);

 private:
  void written() override;
  void was_reset(Reset kind) override;

  bool holds_error_ = false;
};

/// What leaves for the root complex.
enum class ErrorMessage { none, correctable, non_fatal, fatal };

/// Decides what an error sets in STATUS, Device Status and AER, and which message it sends: the flow
/// of 6.2.5.
class ErrorReporting {
 public:
  /// A header of the TLP that the error is about, as in the header log.
  using Tlp = std::array<uint32_t, 4>;

  ErrorReporting(Header& header, Express& express, Aer& aer)
      : header_(header), express_(express), aer_(aer) {}

  /// `error`: one bit of the uncorrectable registers. `advisory`: where 6.2.3.2.4 lets the finder leave the
  /// judgement to somebody else, so that a non-fatal error becomes a correctable message.
  ErrorMessage uncorrectable(uint32_t error, const Tlp& tlp, bool advisory = false);

 private:
  bool reports(uint32_t kind, uint32_t error) const;

  Header& header_;
  Express& express_;
  Aer& aer_;
};

}  // namespace rdu::pcie
