// What an application's own loop polls for a queue: one descriptor that stands for several.
#pragma once

#include <memory>

#include "runtime/stream.h"

namespace rdu::runtime {

class PollSet {
 public:
  explicit PollSet(std::shared_ptr<Stream> stream);
  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;
  ~PollSet();

  // Readable when completions have come that acknowledge() has not seen, whoever has taken them; when the
  // queue was closed; when the device is lost.
  int fd() const { return epoll_; }
  void acknowledge();

 private:
  std::shared_ptr<Stream> stream_;
  Eventfd found_by_others_;
  int epoll_;
};

}  // namespace rdu::runtime
