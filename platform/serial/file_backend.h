#pragma once

#include <string>

#include "platform/serial/backend.h"
#include "platform/serial/descriptor.h"

namespace rdu::platform::serial {

/// Writes to a file, which it replaces; nothing is ever received.
class FileBackend : public Backend {
 public:
  explicit FileBackend(const std::string& path);

  size_t read(char*, size_t) override { return 0; }
  size_t write(const char* data, size_t size) override;
  int input() const override { return -1; }
  int output() const override { return file_.get(); }
  bool can_receive() const override { return false; }
  bool interactive() const override { return false; }

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace rdu::platform::serial
