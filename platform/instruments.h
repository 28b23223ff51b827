#pragma once

#include <memory>

namespace rdu::mgmt {
class Management;
namespace debug {
class InstructionTrace;
}
}  // namespace rdu::mgmt

namespace rdu::platform {

struct Options;

/// What options of the command line attach to the management subsystem to watch it: register coverage, an
/// instruction trace, a profile; and further symbols for all of them. None of them changes a result; what is
/// not asked for costs nothing.
class Instruments {
 public:
  /// After the platform is built, before the simulation starts. Opens all files, so that a wrong path is told
  /// before the run; throws bad_input.
  Instruments(const Options& options, mgmt::Management& management);
  ~Instruments();

  /// At the end: writes the files.
  void write();

 private:
  class Coverage;
  class FunctionProfile;
  std::unique_ptr<Coverage> coverage_;
  std::unique_ptr<FunctionProfile> profile_;
  std::unique_ptr<mgmt::debug::InstructionTrace> trace_;
};

}  // namespace rdu::platform
