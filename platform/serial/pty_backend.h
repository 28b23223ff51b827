#pragma once

#include <string>

#include "platform/serial/backend.h"
#include "platform/serial/descriptor.h"

namespace rdu::platform::serial {

/// A pseudo terminal; programs such as screen and minicom open the name in description(). What the guest
/// sends while nobody has it open is lost; they may come and go.
class PtyBackend : public Backend {
 public:
  PtyBackend();

  size_t read(char* data, size_t size) override;
  size_t write(const char* data, size_t size) override;
  int input() const override { return connected() ? master_.get() : -1; }
  int output() const override { return connected() ? master_.get() : -1; }
  bool can_receive() const override { return true; }
  bool interactive() const override { return true; }
  std::string description() const override { return name_; }

 private:
  bool connected() const;

  Descriptor master_;
  std::string name_;
};

}  // namespace rdu::platform::serial
