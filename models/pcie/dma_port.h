#pragma once

#include <cstdint>
#include <string>

#include "core/trace.h"
#include "core/transfer.h"
#include "pcie/host_port.h"
#include "pcie/params.h"

namespace rdu::pcie {

/// An access to host memory that failed, as HOSTIF.DMA_ERROR tells it.
struct DmaFailure {
  uint64_t code = 0;  ///< HOSTIF.DMA_ERROR.CODE
  bool write = false;
  unsigned context = 0;  ///< whose it was; 0: the firmware's
  uint64_t address = 0;  ///< bus address; of a page table's failure the offset in the context's host segment
  uint64_t length = 0;   ///< bytes
};

/// The way out to host memory, by bus address: the link's time, and what the host allows.
///
/// A read sends its request out and gets its data back; a write is posted: done when its last byte is on its
/// way. Either direction of the link serves one transfer after the other, in the order in which they come
/// here.
class DmaPort : public core::TransferTarget {
 public:
  /// The function that it belongs to.
  class Owner {
   public:
    /// The host at the other end, if there is one.
    virtual HostPort* host() = 0;
    /// Why the function may not use DMA now, in words, or nullptr.
    virtual const char* dma_barrier() const = 0;
    virtual void dma_failed(const DmaFailure& failure) = 0;

   protected:
    ~Owner() = default;
  };

  DmaPort(const std::string& name, const PcieParams& params, Owner& owner);

  void access(core::Transfer& t, uint64_t address, core::Time arrive) override {
    transfer(t, address, arrive, 0);
  }
  bool debug(uint64_t address, uint8_t* data, uint64_t length, bool write) override;
  /// access() for a context. Refused: access_denied. Poisoned: data_error.
  void transfer(core::Transfer& t, uint64_t address, core::Time arrive, unsigned context);

  /// The data of the next read comes poisoned.
  void poison_next() { poison_next_ = true; }

  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  const PcieParams& params_;
  Owner& owner_;
  core::TrackId track_;
  core::Time read_link_free_ = 0;   ///< the link's direction that carries read data
  core::Time write_link_free_ = 0;  ///< and the one that carries write data
  bool poison_next_ = false;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
};

}  // namespace rdu::pcie
