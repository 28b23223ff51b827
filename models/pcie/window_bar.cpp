#include "pcie/window_bar.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rdu::pcie {

WindowBar::WindowBar(const std::string& name) : name_(name) {
  make_file();
}

WindowBar::~WindowBar() {
  drop_file();
}

void WindowBar::make_file() {
  data_ = nullptr;
  fd_ = memfd_create(name_.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  // Touching what is behind the end of a file would end this process: its size is sealed.
  if (fd_ >= 0 && ftruncate(fd_, kSize) == 0 &&
      fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    void* place = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    if (place != MAP_FAILED) data_ = static_cast<uint8_t*>(place);
  }
  if (data_) return;
  const int error = errno;
  if (fd_ >= 0) close(fd_);
  core::bad_input(
      fmt::format("{}: the host refuses a memory file of {} bytes: {}", name_, kSize, std::strerror(error)));
}

void WindowBar::drop_file() {
  if (!data_) return;  // there was none to be had
  munmap(data_, kSize);
  close(fd_);
}

void WindowBar::renew() {
  move_all_away();
  drop_file();
  make_file();
}

std::string WindowBar::refusal(unsigned window, const core::MappableMemory& memory, uint64_t offset) const {
  if (offset % kGranule != 0) return fmt::format("offset {:#x} is no multiple of {} bytes", offset, kGranule);
  if (offset > memory.capacity() || kWindowBytes > memory.capacity() - offset)
    return fmt::format("its end lies behind the memory's {} bytes", memory.capacity());
  if (!memory.available()) return "the memory is not trained";
  for (unsigned n = 0; n < kWindows; ++n) {
    const Window& other = windows_[n];
    if (n == window || other.memory != &memory) continue;
    if (offset < other.offset + kWindowBytes && other.offset < offset + kWindowBytes)
      return fmt::format("window {} shows a part of it already", n);
  }
  return "";
}

void WindowBar::empty(unsigned window) {
  Window& w = windows_[window];
  if (w.memory) {
    w.memory->detach(w.offset);
  } else if (madvise(data_ + window * kWindowBytes, kWindowBytes, MADV_REMOVE) != 0) {
    throw core::Error(core::ErrorKind::internal, "BAR2", std::strerror(errno));
  }
  w = {};
}

std::string WindowBar::move(unsigned window, core::MappableMemory* memory, uint64_t offset) {
  Window& w = windows_.at(window);
  if (w.memory && w.memory == memory && w.offset == offset) return "";
  empty(window);
  if (!memory) return "";
  const std::string why = refusal(window, *memory, offset);
  if (!why.empty()) return why;
  memory->attach(offset, kWindowBytes, fd_, window * kWindowBytes);
  w = {memory, offset};
  return "";
}

void WindowBar::move_all_away() {
  for (unsigned n = 0; n < kWindows; ++n) empty(n);
}

void WindowBar::read(uint64_t offset, uint8_t* data, size_t size) const {
  std::memcpy(data, data_ + offset, size);
}

void WindowBar::write(uint64_t offset, const uint8_t* data, size_t size) {
  std::memcpy(data_ + offset, data, size);
}

}  // namespace rdu::pcie
