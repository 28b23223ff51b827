#include "mgmt/boot.h"
#include "mgmt/dma.h"
#include "mgmt/service.h"
#include "mgmt/watchdog.h"

int main(void);

int main(void) {
  boot();
  for (;;) {
    service();
    if (dma_idle())
      watchdog_sleep();
    else
      watchdog_wait(); /* for the firmware's own transfer */
  }
}
