#include "hal/cpu.h"
#include "mgmt/boot.h"
#include "mgmt/service.h"

int main(void);

int main(void) {
  boot();
  for (;;) {
    service();
    cpu_wait();
  }
}
