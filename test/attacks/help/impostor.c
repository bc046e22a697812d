/*
 * A process of any user that looks like a QEMU: its name comes from its file, its arguments and environment from whoever
 * starts it, and IMPOSTOR_THREADS has the names of its threads, separated by `;`.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *sleep_as(void *name) {
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
	return NULL;
}

int main(void) {
	char *names = getenv("IMPOSTOR_THREADS");
	for (char *name = names ? strtok(strdup(names), ";") : NULL; name; name = strtok(NULL, ";")) {
		pthread_t thread;
		pthread_create(&thread, NULL, sleep_as, name);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
