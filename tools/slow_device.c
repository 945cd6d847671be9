/* A file system of one file, `image`, whose reads sleep before they read: the far side of a block
 * device with latency. Usage: slow_device IMAGE MILLISECONDS MOUNT_POINT [-f] [-o OPTIONS]
 * Build: cc -O2 slow_device.c -o slow_device $(pkg-config --cflags --libs fuse3) */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int image;
static struct timespec delay;

static void *on_mount(struct fuse_conn_info *connection, struct fuse_config *config)
{
  config->kernel_cache = 0;
  connection->max_background = 256; /* reads at once; the kernel's 12 would be a queue */
  connection->congestion_threshold = 256;
  return NULL;
}

static int get_attributes(const char *path, struct stat *status, struct fuse_file_info *file)
{
  (void)file;
  memset(status, 0, sizeof *status);
  if (strcmp(path, "/") == 0) {
    status->st_mode = S_IFDIR | 0700;
    status->st_nlink = 2;
    return 0;
  }
  if (strcmp(path, "/image") != 0)
    return -ENOENT;
  return fstat(image, status) == 0 ? 0 : -errno;
}

static int read_late(const char *path, char *data, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
  (void)path, (void)file;
  struct timespec rest = delay;
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
  ssize_t done = pread(image, data, size, offset);
  return done < 0 ? -errno : (int)done;
}

static int write_now(const char *path, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
  (void)path, (void)file;
  ssize_t done = pwrite(image, data, size, offset);
  return done < 0 ? -errno : (int)done;
}

static const struct fuse_operations operations = {
    .init = on_mount,
    .getattr = get_attributes,
    .read = read_late,
    .write = write_now,
};

int main(int count, char **words)
{
  if (count < 4) {
    fprintf(stderr, "usage: %s IMAGE MILLISECONDS MOUNT_POINT [FUSE OPTIONS]\n", words[0]);
    return 2;
  }
  image = open(words[1], O_RDWR);
  if (image < 0) {
    perror(words[1]);
    return 1;
  }
  long microseconds = (long)(strtod(words[2], NULL) * 1000);
  delay.tv_sec = microseconds / 1000000;
  delay.tv_nsec = microseconds % 1000000 * 1000;
  words[2] = words[0];
  return fuse_main(count - 2, words + 2, &operations, NULL);
}
